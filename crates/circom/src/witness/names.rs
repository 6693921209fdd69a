//! Which input signals are missing: the `.sym` file names signals without saying which are inputs; the program
//! knows its inputs without knowing their names.

use std::collections::HashSet;

use super::error::WitnessError;
use super::fnv1a;
use super::machine::Machine;
use crate::sym::Sym;

/// The circuit's inputs that are not among `given`, in the file's order, until they make up `values` values.
pub(super) fn missing(
    machine: &mut Machine,
    sym: &Sym,
    given: &HashSet<&str>,
    mut values: u64,
) -> Result<Vec<String>, WitnessError> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let Some(main) = sym.signals().first().map(|signal| signal.component) else {
        return Ok(names);
    };
    // The main component's signals come first.
    for signal in sym.signals().iter().take_while(|signal| signal.component == main) {
        if values == 0 {
            break;
        }
        let Some(name) = signal.name.strip_prefix("main.").map(whole) else {
            continue;
        };
        if given.contains(name) || !seen.insert(name) {
            continue;
        }
        let hash = fnv1a(name);
        if machine.takes(hash)? {
            values = values.saturating_sub(u64::from(machine.input_signal_size(hash)?));
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The signal that an element belongs to: the name without the indices at its end.
fn whole(element: &str) -> &str {
    let mut name = element;
    while let Some((rest, _)) = name.strip_suffix(']').and_then(|open| open.rsplit_once('[')) {
        name = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn indices_at_the_end_go() {
        assert_eq!(whole("a"), "a");
        assert_eq!(whole("a[3]"), "a");
        assert_eq!(whole("a[3][12]"), "a");
        assert_eq!(whole("bus[1].x[2]"), "bus[1].x");
        assert_eq!(whole("]"), "]");
    }
}
