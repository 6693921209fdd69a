//! circom's witness calculators: the same witnesses as snarkjs, an error for everything that can be wrong with the
//! inputs, and programs that are up to no good.

#![cfg(feature = "witness")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::fixtures;
use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId, Groups};
use tacit_circom::witness::Limits;
use tacit_circom::{Inputs, Sym, WitnessCalculator, WitnessError, Wtns};

both_curves! {
    the_witness_is_that_of_snarkjs
    the_program_says_what_it_is
    superfluous_missing_and_misshapen_inputs_are_named
    a_failed_assertion_tells_template_and_line
    the_inputs_must_be_over_the_same_field
}

type Fr<C> = <C as Groups>::Scalar;

fn nested<C: Curve>(extension: &str) -> Vec<u8> {
    let name = format!("nested.{}.{extension}", C::ID.snarkjs_name());
    std::fs::read(fixtures().join("witness").join(name)).unwrap()
}

fn calculator<C: Curve>() -> WitnessCalculator {
    WitnessCalculator::new(&nested::<C>("wasm")).unwrap()
}

fn nested_input() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("tests/circuits/nested.json")).unwrap()
}

fn inputs<C: Curve>() -> Inputs<Fr<C>> {
    Inputs::from_json(nested_input()).unwrap()
}

fn set<C: Curve>(inputs: &mut Inputs<Fr<C>>, name: &str, values: &[u64]) {
    let (_, old) = inputs.0.iter_mut().find(|(known, _)| known == name).unwrap();
    *old = values.iter().map(|v| Fr::<C>::from(*v)).collect();
}

fn the_witness_is_that_of_snarkjs<C: Curve>() {
    let calculator = calculator::<C>();
    let expected = nested::<C>("wtns");
    let witness = calculator.calculate(&inputs::<C>(), None).unwrap();
    assert_eq!(*Wtns::new(witness).write(), expected);

    // Buses as circom's own calculator takes them, and in another order; the calculator serves more than once.
    let buses = r#"{
        "points": [{ "x": 21, "y": [22, 23] }, { "x": 31, "y": [32, 33] }],
        "point": { "x": 11, "y": [12, 13] },
        "unused": 1000,
        "grid": [[1, "0x2", -3], ["40000000000000000000000000000000000000", 1, 0]],
        "scalar": 5
    }"#;
    let witness = calculator.calculate(&Inputs::<Fr<C>>::from_json(buses).unwrap(), None).unwrap();
    assert_eq!(*Wtns::new(witness).write(), expected);
}

fn the_program_says_what_it_is<C: Curve>() {
    let calculator = calculator::<C>();
    assert_eq!(calculator.curve(), C::ID);
    assert_eq!(calculator.n_inputs(), 17);
    assert_eq!(
        calculator.n_wires() as usize,
        Wtns::<Fr<C>>::read(&nested::<C>("wtns")).unwrap().values.len()
    );
}

fn superfluous_missing_and_misshapen_inputs_are_named<C: Curve>() {
    let calculator = calculator::<C>();
    let sym = Sym::read(&nested::<C>("sym")).unwrap();
    let good = inputs::<C>();
    let fails = |inputs: &Inputs<Fr<C>>, sym| calculator.calculate(inputs, sym).unwrap_err();

    for place in [0, good.0.len()] {
        let mut more = good.clone();
        more.0.insert(place, ("extra".into(), vec![Fr::<C>::from(1u64)]));
        assert_eq!(fails(&more, None), WitnessError::Superfluous { name: "extra".into() });
        // Nor does it help to give none of it, or the name of an inner signal.
        more.0[place] = ("extra".into(), Vec::new());
        assert_eq!(fails(&more, None), WitnessError::Superfluous { name: "extra".into() });
        more.0[place] = ("product".into(), vec![Fr::<C>::from(1u64)]);
        assert_eq!(fails(&more, None), WitnessError::Superfluous { name: "product".into() });
    }

    let mut twice = good.clone();
    twice.0.push(("scalar".into(), vec![Fr::<C>::from(5u64)]));
    assert_eq!(fails(&twice, None), WitnessError::Duplicate { name: "scalar".into() });

    for got in [0, 5, 7] {
        let mut other = good.clone();
        set::<C>(&mut other, "grid", &vec![1; got]);
        assert_eq!(fails(&other, None), WitnessError::WrongLength { name: "grid".into(), expected: 6, got });
    }

    let mut fewer = good.clone();
    fewer.0.retain(|(name, _)| name != "grid" && name != "points[1].y" && name != "unused");
    assert_eq!(fails(&fewer, None), WitnessError::Missing { values: 9, names: vec![] });
    let names = ["grid", "unused", "points[1].y"].map(String::from).to_vec();
    let error = fails(&fewer, Some(&sym));
    assert_eq!(error, WitnessError::Missing { values: 9, names });
    assert_eq!(error.to_string(), "9 input value(s) missing: grid, unused, points[1].y");
    // The names of another circuit do no harm.
    let other = Sym::read(b"1,1,0,main.a\n2,2,0,main.b[0]\n").unwrap();
    assert_eq!(fails(&fewer, Some(&other)), WitnessError::Missing { values: 9, names: vec![] });
    assert!(matches!(fails(&Inputs(vec![]), Some(&sym)), WitnessError::Missing { values: 17, .. }));
}

fn a_failed_assertion_tells_template_and_line<C: Curve>() {
    let mut bad = inputs::<C>();
    set::<C>(&mut bad, "scalar", &[7]);
    let error = calculator::<C>().calculate(&bad, None).unwrap_err();
    let WitnessError::AssertFailed { trace } = &error else { panic!("{error:?}") };
    assert!(
        trace[0].starts_with("Error in template Inverse_") && trace[0].ends_with("line: 22"),
        "{trace:?}"
    );
    assert!(trace[1].starts_with("Error in template Nested_") && trace[1].ends_with("line: 46"), "{trace:?}");

    // A constraint of a hint that does not hold: 0 has no inverse.
    set::<C>(&mut bad, "scalar", &[0]);
    let error = calculator::<C>().calculate(&bad, None).unwrap_err();
    assert!(error.to_string().contains("line: 24"), "{error}");
}

fn the_inputs_must_be_over_the_same_field<C: Curve>() {
    let error = match C::ID {
        CurveId::Bn254 => calculator::<C>().calculate(&inputs::<Bls12_381>(), None),
        CurveId::Bls12_381 => calculator::<C>().calculate(&inputs::<Bn254>(), None).map(|_| vec![]),
    };
    assert_eq!(error.unwrap_err(), WitnessError::WrongField { circuit: C::ID });
}

/// Programs that are no witness calculators, or bad ones.
mod programs {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use tacit_algebra::field;
    use wasm_encoder::{
        CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
        FunctionSection, ImportSection, InstructionSink, MemorySection, MemoryType, Module, TypeSection,
        ValType,
    };

    use super::*;

    type F = Fr<Bn254>;
    type Body = Box<dyn Fn(&mut InstructionSink<'_>)>;

    /// A program that speaks circom's language: one input signal `x` of one value, one wire, and the order of the
    /// field at address 0. Tests replace parts of it.
    struct Program {
        pages: u64,
        import: (&'static str, &'static str),
        functions: Vec<(&'static str, &'static [ValType], &'static [ValType], Body)>,
    }

    fn number(value: i32) -> Body {
        Box::new(move |code| {
            code.i32_const(value);
        })
    }

    impl Program {
        fn new() -> Self {
            use ValType::I32;
            let nothing = || -> Body { Box::new(|_| {}) };
            Self {
                pages: 1,
                import: ("runtime", "exceptionHandler"),
                functions: vec![
                    ("getVersion", &[], &[I32], number(2)),
                    ("getFieldNumLen32", &[], &[I32], number(8)),
                    ("getInputSize", &[], &[I32], number(1)),
                    ("getWitnessSize", &[], &[I32], number(1)),
                    ("getRawPrime", &[], &[], nothing()),
                    ("getWitness", &[I32], &[], nothing()),
                    ("init", &[I32], &[], nothing()),
                    ("getInputSignalSize", &[I32, I32], &[I32], number(1)),
                    ("writeSharedRWMemory", &[I32, I32], &[], nothing()),
                    (
                        "readSharedRWMemory",
                        &[I32],
                        &[I32],
                        Box::new(|code| {
                            // memory[4 * i]
                            let word = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 };
                            code.local_get(0).i32_const(2).i32_shl().i32_load(word);
                        }),
                    ),
                    (
                        "setInputSignal",
                        &[I32, I32, I32],
                        &[],
                        Box::new(|code| {
                            // if position > 0 { exceptionHandler(6) }
                            code.local_get(2).if_(wasm_encoder::BlockType::Empty).i32_const(6).call(0).end();
                        }),
                    ),
                    ("getMessageChar", &[], &[I32], number(0)),
                ],
            }
        }

        fn with(mut self, name: &str, body: impl Fn(&mut InstructionSink<'_>) + 'static) -> Self {
            self.functions.iter_mut().find(|f| f.0 == name).unwrap().3 = Box::new(body);
            self
        }

        fn without(mut self, name: &str) -> Self {
            self.functions.retain(|f| f.0 != name);
            self
        }

        fn build(&self) -> Vec<u8> {
            let (mut types, mut imports, mut functions) =
                (TypeSection::new(), ImportSection::new(), FunctionSection::new());
            let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
            types.ty().function([ValType::I32], []);
            types.ty().function([], []);
            // Functions 0 and 1 are imported.
            imports.import(self.import.0, self.import.1, EntityType::Function(0));
            imports.import("runtime", "printErrorMessage", EntityType::Function(1));
            for (i, (name, parameters, results, body)) in self.functions.iter().enumerate() {
                let i = u32::try_from(i).unwrap() + 2;
                types.ty().function(parameters.iter().copied(), results.iter().copied());
                functions.function(i);
                exports.export(name, ExportKind::Func, i);
                let mut function = Function::new([]);
                let mut sink = function.instructions();
                body(&mut sink);
                sink.end();
                code.function(&function);
            }
            let mut memories = MemorySection::new();
            memories.memory(MemoryType {
                minimum: self.pages,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
            exports.export("memory", ExportKind::Memory, 0);
            let mut data = DataSection::new();
            data.active(0, &ConstExpr::i32_const(0), Bn254::ID.scalar_modulus_le());
            let mut module = Module::new();
            module.section(&types).section(&imports).section(&functions).section(&memories);
            module.section(&exports).section(&code).section(&data);
            module.finish()
        }

        fn calculate(&self) -> Result<Vec<F>, WitnessError> {
            let inputs = Inputs(vec![("x".to_owned(), vec![F::from(1u64)])]);
            let limits = Limits { memory: 1 << 24, instructions: 1_000_000 };
            WitnessCalculator::with_limits(&self.build(), limits)?.calculate(&inputs, None)
        }
    }

    /// `loop { br 0 }`
    fn forever(code: &mut InstructionSink<'_>) {
        code.loop_(wasm_encoder::BlockType::Empty).br(0).end();
    }

    #[test]
    fn values_that_are_not_canonical_are_refused() {
        // Its only wire has the order of the field as its value.
        assert_eq!(Program::new().calculate(), Err(WitnessError::NonCanonical { wire: 0 }));
    }

    #[test]
    fn a_witness_begins_with_one() {
        let zeroes = |code: &mut InstructionSink<'_>| {
            // getWitness clears the buffer.
            code.i32_const(0).i32_const(0).i32_const(32).memory_fill(0);
        };
        let error = Program::new().with("getWitness", zeroes).calculate().unwrap_err();
        assert!(matches!(error, WitnessError::Inconsistent { .. }), "{error}");
    }

    #[test]
    fn endless_loops_are_stopped_wherever_they_are() {
        for name in ["getVersion", "init", "setInputSignal", "getWitness", "getWitnessSize"] {
            let program = Program::new().with(name, |code| {
                forever(code);
                code.unreachable();
            });
            assert_eq!(program.calculate(), Err(WitnessError::TooLong { limit: 1_000_000 }), "{name}");
        }
    }

    #[test]
    fn endless_recursion_and_traps_are_crashes() {
        // Function 2 + 6 is init itself.
        let error = Program::new()
            .with("init", |code| {
                code.i32_const(0).call(8);
            })
            .calculate()
            .unwrap_err();
        assert_eq!(error, WitnessError::Crashed { reason: "wasm trap: call stack exhausted".into() });
        let error = Program::new()
            .with("init", |code| {
                code.unreachable();
            })
            .calculate()
            .unwrap_err();
        assert!(matches!(error, WitnessError::Crashed { .. }), "{error}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut program = Program::new();
        program.pages = 65536;
        let (needed, limit) = (1 << 32, 1 << 24);
        assert_eq!(program.calculate(), Err(WitnessError::TooMuchMemory { needed, limit }));
        // Growing beyond the limit is refused to the program, which may then go on.
        let grows = |code: &mut InstructionSink<'_>| {
            code.i32_const(300).memory_grow(0).i32_const(-1).i32_ne();
            code.if_(wasm_encoder::BlockType::Empty).unreachable().end();
        };
        let error = Program::new().with("init", grows).calculate();
        assert_eq!(error, Err(WitnessError::NonCanonical { wire: 0 }));
    }

    #[test]
    fn sizes_are_not_believed() {
        for size in [-1, 1 << 30, 2000] {
            let program = Program::new().with("getWitnessSize", move |code| {
                code.i32_const(size);
            });
            let error = program.calculate().unwrap_err();
            assert!(matches!(error, WitnessError::Inconsistent { .. }), "{error}");
        }
        let program = Program::new().with("getInputSignalSize", |code| {
            code.i32_const(-1);
        });
        let expected = WitnessError::WrongLength { name: "x".into(), expected: u32::MAX, got: 1 };
        assert_eq!(program.calculate(), Err(expected));
        let program = Program::new().with("getInputSize", |code| {
            code.i32_const(0);
        });
        assert!(matches!(program.calculate(), Err(WitnessError::Inconsistent { .. })));
        let program = Program::new().with("getInputSize", |code| {
            code.i32_const(-1);
        });
        assert_eq!(program.calculate(), Err(WitnessError::Missing { values: u32::MAX - 1, names: vec![] }));
        for words in [-1, 0, 7, 1 << 20] {
            let program = Program::new().with("getFieldNumLen32", move |code| {
                code.i32_const(words);
            });
            assert_eq!(program.calculate(), Err(WitnessError::UnsupportedPrime));
        }
    }

    #[test]
    fn endless_messages_are_cut_short() {
        let program = Program::new()
            .with("getMessageChar", |code| {
                code.i32_const(i32::from(b'A'));
            })
            .with("getWitness", |code| {
                for _ in 0..100 {
                    code.call(1);
                }
                code.i32_const(4).call(0);
            });
        let Err(WitnessError::AssertFailed { trace }) = program.calculate() else { panic!() };
        assert_eq!(trace, vec!["A".repeat(256); 32]);
    }

    #[test]
    fn exceptions_keep_their_code() {
        let program = Program::new().with("init", |code| {
            code.i32_const(5).call(0);
        });
        let error = program.calculate().unwrap_err();
        assert_eq!(error, WitnessError::Exception { code: 5, trace: vec![] });
        assert!(error.to_string().contains("not enough memory"), "{error}");
    }

    #[test]
    fn what_is_no_witness_calculator_of_circom_2_is_refused() {
        let new = |wasm: &[u8]| WitnessCalculator::new(wasm).unwrap_err();
        assert!(matches!(new(b""), WitnessError::NotWasm { .. }));
        assert!(matches!(new(b"\0asm\x02\0\0\0"), WitnessError::NotWasm { .. }));
        assert!(matches!(new(b"(module)"), WitnessError::NotWasm { .. }));
        assert_eq!(new(b"\0asm\x01\0\0\0"), WitnessError::MissingExport { name: "memory" });
        for name in ["getVersion", "init", "readSharedRWMemory", "setInputSignal"] {
            assert_eq!(new(&Program::new().without(name).build()), WitnessError::MissingExport { name });
        }
        let mut program = Program::new();
        program.import = ("wasi_snapshot_preview1", "proc_exit");
        let error =
            WitnessError::UnknownImport { module: program.import.0.into(), name: program.import.1.into() };
        assert_eq!(new(&program.build()), error);
        let one = Program::new().with("getVersion", |code| {
            code.i32_const(1);
        });
        assert_eq!(new(&one.build()), WitnessError::Version { got: 1 });
        // A field of 256 bits that belongs to no curve known here.
        let other = Program::new().with("readSharedRWMemory", |code| {
            code.i32_const(7);
        });
        assert_eq!(new(&other.build()), WitnessError::UnsupportedPrime);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is changed in a program, the outcome is a witness or an error.
        #[test]
        fn a_damaged_program_is_survived(at in 0.0..1.0f64, byte: u8, cut: bool) {
            let mut wasm = Cow::Owned::<[u8]>(nested::<Bn254>("wasm")).into_owned();
            let at = (at * wasm.len() as f64) as usize;
            if cut {
                wasm.truncate(at);
            } else {
                wasm[at] ^= byte.max(1);
            }
            let limits = Limits { memory: 1 << 24, instructions: 10_000_000 };
            if let Ok(calculator) = WitnessCalculator::with_limits(&wasm, limits)
                && calculator.curve() == CurveId::Bn254
                && let Ok(witness) = calculator.calculate(&inputs::<Bn254>(), None)
            {
                prop_assert_eq!(witness.len(), calculator.n_wires() as usize);
                prop_assert_eq!(field::to_le(&witness[0])[0], 1);
            }
        }
    }
}

/// Witnesses byte for byte as `snarkjs wtns calculate` writes them.
mod against_snarkjs {
    use std::path::PathBuf;
    use std::process::Command;

    use tacit_circom::R1cs;

    use super::*;

    fn run(command: &mut Command) {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    }

    fn compare<C: Curve>(circuit: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let modules = std::env::var_os("TACIT_NODE_MODULES")
            .map_or_else(|| root.join("tests/node_modules"), PathBuf::from);
        let snarkjs = modules.join("snarkjs/build/cli.cjs");
        if !snarkjs.is_file() {
            let missing = "npm packages are not installed (npm ci --prefix tests)";
            assert!(std::env::var_os("TACIT_REQUIRE_NODE").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file =
            |extension: &str| dir.path().join(format!("{circuit}.{}.{extension}", C::ID.snarkjs_name()));
        let read = |extension: &str| std::fs::read(file(extension)).unwrap();
        run(Command::new(root.join("tests/circuits/compile.sh"))
            .arg(dir.path())
            .arg(format!("{circuit}.{}", C::ID.snarkjs_name())));
        run(Command::new("node").arg(&snarkjs).args(["wtns", "calculate"]).args([
            file("wasm"),
            file("json"),
            file("wtns"),
        ]));

        let calculator = WitnessCalculator::new(&read("wasm")).unwrap();
        assert_eq!(calculator.curve(), C::ID);
        let inputs = Inputs::<Fr<C>>::from_json(read("json")).unwrap();
        let witness = calculator.calculate(&inputs, None).unwrap();
        R1cs::<Fr<C>>::read(&read("r1cs")).unwrap().check(&witness).unwrap();
        assert!(*Wtns::new(witness).write() == read("wtns"), "{circuit}: another witness than snarkjs's");
    }

    macro_rules! circuits {
        ($($test:ident: $curve:ident $circuit:literal,)*) => {
            $(#[test] fn $test() { compare::<$curve>($circuit) })*
        };
    }

    circuits! {
        snarkjs_nested_bn254: Bn254 "nested",
        snarkjs_nested_bls12_381: Bls12_381 "nested",
        snarkjs_chain_bn254: Bn254 "chain",
        snarkjs_chain_bls12_381: Bls12_381 "chain",
        snarkjs_comparators_bn254: Bn254 "comparators",
        snarkjs_comparators_bls12_381: Bls12_381 "comparators",
        snarkjs_mimc_bn254: Bn254 "mimc",
        snarkjs_mimc_bls12_381: Bls12_381 "mimc",
        snarkjs_poseidon_merkle_bn254: Bn254 "poseidon_merkle",
        snarkjs_poseidon_merkle_bls12_381: Bls12_381 "poseidon_merkle",
        snarkjs_eddsa_bn254: Bn254 "eddsa",
        snarkjs_eip8182_hash_bn254: Bn254 "eip8182_hash",
        snarkjs_sha256_bls12_381: Bls12_381 "sha256",
    }
}
