//! One run of a witness calculator: circom 2's calling convention, and nothing that the program says believed
//! unchecked.
//!
//! A field element passes through a buffer of 32-bit words, least significant first (`readSharedRWMemory`,
//! `writeSharedRWMemory`). Signals go by a hash of their name (`setInputSignal`). When the last input is set the
//! circuit runs; `getWitness` then moves the value of a wire to the buffer.

use std::fmt;

use tacit_algebra::CurveId;
use wasmtime::{
    Caller, Extern, Instance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Trap,
    TypedFunc, WasmParams, WasmResults,
};
use zeroize::Zeroize;

use super::error::WitnessError;
use super::{Limits, root_cause};

/// What the program may call. `log()` statements end in the last two; they print signals, so nobody listens.
const IMPORTS: [&str; 4] =
    ["exceptionHandler", "printErrorMessage", "writeBufferMessage", "showSharedRWMemory"];

/// Elements of function tables: circom has one for its templates.
const MAX_TABLE: usize = 1 << 20;
/// Characters in a message; circom's buffer holds 256.
const MAX_MESSAGE: usize = 256;
/// Messages kept: one for each level of nested templates.
const MAX_MESSAGES: usize = 32;

const SIGNAL_NOT_FOUND: i32 = 1;
const TOO_MANY_SIGNALS_SET: i32 = 2;
const ASSERT_FAILED: i32 = 4;
const BEYOND_THE_SIGNAL: i32 = 6;

/// What `exceptionHandler` was called with: ends the call from outside.
#[derive(Debug)]
struct Exception(i32);

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exception {}", self.0)
    }
}

impl std::error::Error for Exception {}

struct Host {
    limits: StoreLimits,
    messages: Vec<String>,
}

struct Functions {
    init: TypedFunc<i32, ()>,
    get_input_size: TypedFunc<(), i32>,
    get_witness_size: TypedFunc<(), i32>,
    get_input_signal_size: TypedFunc<(i32, i32), i32>,
    set_input_signal: TypedFunc<(i32, i32, i32), ()>,
    get_witness: TypedFunc<i32, ()>,
    get_raw_prime: TypedFunc<(), ()>,
    read_word: TypedFunc<i32, i32>,
    write_word: TypedFunc<(i32, i32), ()>,
}

/// A program with a memory of its own, which is erased when this is dropped.
pub(super) struct Machine {
    store: Store<Host>,
    memory: Memory,
    functions: Functions,
    /// 32-bit words of a field element.
    words: u32,
    instructions: u64,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.memory.data_mut(&mut self.store).zeroize();
    }
}

impl Machine {
    /// Instantiates the program.
    pub(super) fn start(module: &Module, limits: &Limits) -> Result<Self, WitnessError> {
        check_interface(module, limits)?;
        let host = Host {
            limits: StoreLimitsBuilder::new()
                .memory_size(limits.memory)
                .table_elements(MAX_TABLE)
                .instances(1)
                .memories(1)
                .tables(1)
                .build(),
            messages: Vec::new(),
        };
        let mut store = Store::new(module.engine(), host);
        store.limiter(|host| &mut host.limits);
        let crashed = |e: wasmtime::Error| WitnessError::Crashed { reason: root_cause(&e) };
        store.set_fuel(limits.instructions).map_err(crashed)?;
        let linker = linker(module).map_err(crashed)?;
        let instance = linker
            .instantiate(&mut store, module)
            .map_err(|e| failure(e, &mut store, limits.instructions))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or(WitnessError::MissingExport { name: "memory" })?;

        let version: TypedFunc<(), i32> = function(&instance, &mut store, "getVersion")?;
        let get_words: TypedFunc<(), i32> = function(&instance, &mut store, "getFieldNumLen32")?;
        let functions = Functions {
            init: function(&instance, &mut store, "init")?,
            get_input_size: function(&instance, &mut store, "getInputSize")?,
            get_witness_size: function(&instance, &mut store, "getWitnessSize")?,
            get_input_signal_size: function(&instance, &mut store, "getInputSignalSize")?,
            set_input_signal: function(&instance, &mut store, "setInputSignal")?,
            get_witness: function(&instance, &mut store, "getWitness")?,
            get_raw_prime: function(&instance, &mut store, "getRawPrime")?,
            read_word: function(&instance, &mut store, "readSharedRWMemory")?,
            write_word: function(&instance, &mut store, "writeSharedRWMemory")?,
        };
        let mut machine = Self { store, memory, functions, words: 0, instructions: limits.instructions };
        let version = version.call(&mut machine.store, ());
        match machine.unless_failed(version)?.cast_unsigned() {
            2 => {}
            got => return Err(WitnessError::Version { got }),
        }
        // Both fields that are supported have 256 bits or a little less.
        let words = get_words.call(&mut machine.store, ());
        machine.words = machine.unless_failed(words)?.cast_unsigned();
        match machine.words {
            8 => Ok(machine),
            _ => Err(WitnessError::UnsupportedPrime),
        }
    }

    /// The curve whose scalar field the program computes in.
    pub(super) fn curve(&mut self) -> Result<CurveId, WitnessError> {
        let called = self.functions.get_raw_prime.call(&mut self.store, ());
        self.unless_failed(called)?;
        let mut prime = vec![0; self.words as usize * 4];
        self.read_buffer(&mut prime)?;
        CurveId::from_scalar_modulus_le(&prime).ok_or(WitnessError::UnsupportedPrime)
    }

    /// Wires, the constant one included; at most as many as the program's memory has room for.
    pub(super) fn witness_size(&mut self) -> Result<u32, WitnessError> {
        let size = self.functions.get_witness_size.call(&mut self.store, ());
        let size = self.unless_failed(size)?.cast_unsigned();
        // A signal takes eight bytes more than its value.
        let signal = u64::from(self.words) * 4 + 8;
        if u64::from(size) * signal > self.memory.data_size(&self.store) as u64 {
            return Err(WitnessError::Inconsistent { what: "its witness is larger than its memory" });
        }
        Ok(size)
    }

    /// Values of all input signals together.
    pub(super) fn input_size(&mut self) -> Result<u32, WitnessError> {
        let size = self.functions.get_input_size.call(&mut self.store, ());
        Ok(self.unless_failed(size)?.cast_unsigned())
    }

    /// To be called before any input is set.
    pub(super) fn init(&mut self) -> Result<(), WitnessError> {
        let called = self.functions.init.call(&mut self.store, 0);
        self.unless_failed(called)
    }

    /// Whether there is an input signal of that name. Asked by setting an element that no signal has: circom first
    /// looks the signal up, then refuses the element.
    pub(super) fn takes(&mut self, hash: u64) -> Result<bool, WitnessError> {
        let (high, low) = halves(hash);
        match self.functions.set_input_signal.call(&mut self.store, (high, low, -1)) {
            Err(e) => match e.downcast_ref::<Exception>() {
                Some(Exception(BEYOND_THE_SIGNAL)) => Ok(true),
                Some(Exception(SIGNAL_NOT_FOUND | TOO_MANY_SIGNALS_SET)) => Ok(false),
                _ => Err(failure(e, &mut self.store, self.instructions)),
            },
            Ok(()) => Err(WitnessError::Inconsistent { what: "it takes elements that no signal has" }),
        }
    }

    /// Elements of an input signal, which must exist.
    pub(super) fn input_signal_size(&mut self, hash: u64) -> Result<u32, WitnessError> {
        let size = self.functions.get_input_signal_size.call(&mut self.store, halves(hash));
        Ok(self.unless_failed(size)?.cast_unsigned())
    }

    /// Sets an element of an input signal to a value, little-endian. After the last one the circuit runs.
    pub(super) fn set_input(&mut self, hash: u64, position: u32, value: &[u8]) -> Result<(), WitnessError> {
        for (i, bytes) in (0i32..).zip(value.chunks(4)) {
            let word = bytes.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
            let called = self.functions.write_word.call(&mut self.store, (i, word.cast_signed()));
            self.unless_failed(called)?;
        }
        let (high, low) = halves(hash);
        let element = (high, low, position.cast_signed());
        let called = self.functions.set_input_signal.call(&mut self.store, element);
        self.unless_failed(called)
    }

    /// The value of a wire, little-endian.
    pub(super) fn witness(&mut self, wire: u32, value: &mut [u8]) -> Result<(), WitnessError> {
        let called = self.functions.get_witness.call(&mut self.store, wire.cast_signed());
        self.unless_failed(called)?;
        self.read_buffer(value)
    }

    fn read_buffer(&mut self, bytes: &mut [u8]) -> Result<(), WitnessError> {
        for (i, chunk) in (0i32..).zip(bytes.chunks_exact_mut(4)) {
            let word = self.functions.read_word.call(&mut self.store, i);
            chunk.copy_from_slice(&self.unless_failed(word)?.to_le_bytes());
        }
        Ok(())
    }

    fn unless_failed<R>(&mut self, called: wasmtime::Result<R>) -> Result<R, WitnessError> {
        called.map_err(|e| failure(e, &mut self.store, self.instructions))
    }
}

/// What can be told without running anything.
fn check_interface(module: &Module, limits: &Limits) -> Result<(), WitnessError> {
    for import in module.imports() {
        if import.module() != "runtime" || !IMPORTS.contains(&import.name()) {
            return Err(WitnessError::UnknownImport {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
            });
        }
    }
    // The only memory there can be is the one that is exported: the others are switched off.
    let memory = module.get_export("memory").and_then(|export| export.memory().cloned());
    let memory = memory.ok_or(WitnessError::MissingExport { name: "memory" })?;
    let needed = memory.minimum().saturating_mul(memory.page_size());
    let limit = limits.memory as u64;
    if needed > limit {
        return Err(WitnessError::TooMuchMemory { needed, limit });
    }
    Ok(())
}

fn linker(module: &Module) -> wasmtime::Result<Linker<Host>> {
    let [exception_handler, print_error_message, write_buffer_message, show_shared_rw_memory] = IMPORTS;
    let mut linker = Linker::new(module.engine());
    linker.func_wrap(
        "runtime",
        exception_handler,
        |_: Caller<'_, Host>, code: i32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::new(Exception(code)))
        },
    )?;
    linker.func_wrap("runtime", print_error_message, keep_message)?;
    linker.func_wrap("runtime", write_buffer_message, |_: Caller<'_, Host>| {})?;
    linker.func_wrap("runtime", show_shared_rw_memory, |_: Caller<'_, Host>| {})?;
    Ok(linker)
}

/// Reads the message that the program has ready, a character at a time, up to a zero.
fn keep_message(mut caller: Caller<'_, Host>) -> wasmtime::Result<()> {
    let Some(Extern::Func(next)) = caller.get_export("getMessageChar") else {
        return Ok(());
    };
    let next = next.typed::<(), i32>(&caller)?;
    let mut message = String::new();
    for _ in 0..MAX_MESSAGE {
        match u8::try_from(next.call(&mut caller, ())?) {
            Ok(0) => break,
            Ok(byte) if byte == b' ' || byte.is_ascii_graphic() => message.push(char::from(byte)),
            _ => {}
        }
    }
    let messages = &mut caller.data_mut().messages;
    if messages.len() < MAX_MESSAGES {
        messages.push(message.trim().to_owned());
    }
    Ok(())
}

fn function<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<Host>,
    name: &'static str,
) -> Result<TypedFunc<P, R>, WitnessError> {
    instance.get_typed_func(store, name).map_err(|_| WitnessError::MissingExport { name })
}

/// Why a call came to nothing.
fn failure(error: wasmtime::Error, store: &mut Store<Host>, instructions: u64) -> WitnessError {
    if let Some(Exception(code)) = error.downcast_ref() {
        let trace = std::mem::take(&mut store.data_mut().messages);
        return match *code {
            ASSERT_FAILED => WitnessError::AssertFailed { trace },
            code => WitnessError::Exception { code, trace },
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => WitnessError::TooLong { limit: instructions },
        Some(trap) => WitnessError::Crashed { reason: trap.to_string() },
        None => WitnessError::Crashed { reason: root_cause(&error) },
    }
}

/// A hash as the program takes it.
fn halves(hash: u64) -> (i32, i32) {
    (((hash >> 32) as u32).cast_signed(), (hash as u32).cast_signed())
}
