//! Which wires a circuit's inputs determine: a static check for under-constrained signals.
//!
//! A circuit is sound only if a prover has no choice where its author saw none: whatever the inputs are, at most one
//! value of every other wire satisfies the constraints. (Deciding this in general is hard; the approach is that of
//! [Ecne](https://new.0xparc.org/writing/ecne) and [Picus](https://eprint.iacr.org/2023/512): rules that suffice.) Here a wire
//! counts as determined if one of these rules, each of which holds for every witness, follows from wires that are:
//!
//! 1. **Product.** `A * B = C` with `A` and `B` determined determines the one undetermined wire of `C`.
//! 2. **Bits.** A sum in which the undetermined wires are bits (`b * (b - 1) = 0`) with different powers of two, up to
//!    one sign for all, determines them, if no two numbers of so many bits are equal modulo the field's order, or if
//!    a comparator keeps the number below it.
//! 3. **Zero test.** `D * x = c - k y`, `D * y = 0`, `y * x = 0` with `D` determined, `c` and `k` constants that are not
//!    zero, determine `x` and `y`: if `D = 0`, then `y = c / k` and `x = 0`, else `y = 0` and `x = c / D`.
//! 4. **Quotient.** `D * x = C` with `D` and `C` determined determines `x` unless `D = 0`. If `C` is a constant that is
//!    not zero, `D` is not zero. Otherwise this is a *condition*, which the rules do not prove and whoever
//!    wrote the circuit must: for example that a complete addition law has no zero denominators.
//!
//! What the rules cannot determine is reported as free. It may still be sound; a person has to look.
//!
//! The same rules, run on values, compute a witness from the inputs and the constraints alone, whether or not it
//! satisfies them: [`Determination::complete`].

use std::collections::{BTreeSet, HashMap, VecDeque};

use ark_ff::{BigInteger, PrimeField};

use crate::r1cs::{Constraint, LinearCombination, R1cs};

/// How a wire follows from others.
#[derive(Debug, Clone)]
enum Step<F> {
    /// Rule 1: the wire and the inverse of its coefficient in `C`.
    Product { constraint: u32, wire: u32, inverse: F },
    /// Rule 2: `sign` times the sum of `2^place * bit` over `(bit, place)` is what the rest leaves.
    Bits { constraint: u32, sign: F, bits: Vec<(u32, u32)> },
    /// Rule 3, with `y = c / k` where `D = 0`; `y` is none where it is determined already.
    ZeroTest { divisor: LinearCombination<F>, x: u32, scale: F, y: Option<u32>, constant: F, at_zero: F },
    /// Rule 4.
    Quotient { constraint: u32, wire: u32 },
}

/// What the inputs of a circuit determine.
#[derive(Debug, Clone)]
pub struct Determination<F> {
    /// Wires that no rule determines, in order.
    pub free: Vec<u32>,
    /// Wires that no constraint mentions, in order; inputs among them.
    pub unused: Vec<u32>,
    /// Constraints `D * x = C` whose `D` must not be zero for `x` to be determined, in order.
    pub conditions: Vec<u32>,
    /// Constraints that some values of the given wires may break, in order; the others hold whatever is given, by the way
    /// in which they determine wires. Each of these ought to have a test that breaks it.
    pub assertions: Vec<u32>,
    given: Vec<u32>,
    steps: Vec<Step<F>>,
}

impl<F: PrimeField> R1cs<F> {
    /// Applies the module's rules, starting from the constant wire and the inputs, public and private.
    pub fn determination(&self) -> Determination<F> {
        self.determination_by(self.input_wires().collect())
    }

    /// The same, starting from the constant wire and these.
    pub fn determination_by(&self, given: Vec<u32>) -> Determination<F> {
        Search::new(self, given).run()
    }

    /// The wires of the inputs: public ones, then private ones.
    pub fn input_wires(&self) -> std::ops::Range<u32> {
        let end = 1 + u64::from(self.n_public()) + u64::from(self.n_private_inputs);
        1 + self.n_public_outputs..u32::try_from(end).unwrap_or(u32::MAX).min(self.n_wires)
    }
}

impl<F: PrimeField> Determination<F> {
    /// The witness that follows from the values of the given wires, in their order: the calculator that the constraints
    /// themselves are. It may break constraints, namely where the values break the circuit's rules. Free wires are zero.
    /// `None` if there are more or fewer values than given wires.
    pub fn complete(&self, r1cs: &R1cs<F>, given: &[F]) -> Option<Vec<F>> {
        let mut values = vec![F::ZERO; r1cs.n_wires as usize];
        *values.first_mut()? = F::ONE;
        if given.len() != self.given.len() {
            return None;
        }
        for (wire, value) in self.given.iter().zip(given) {
            set(&mut values, *wire, *value)?;
        }
        for step in &self.steps {
            step.run(&r1cs.constraints, &mut values)?;
        }
        Some(values)
    }
}

/// A linear combination's value, without one wire's term.
fn value_without<F: PrimeField>(lc: &LinearCombination<F>, values: &[F], without: Option<u32>) -> F {
    let terms = lc.iter().filter(|(wire, _)| Some(*wire) != without);
    terms.filter_map(|(wire, k)| values.get(*wire as usize).map(|value| *value * k)).sum()
}

fn value<F: PrimeField>(lc: &LinearCombination<F>, values: &[F]) -> F {
    value_without(lc, values, None)
}

fn set<F>(values: &mut [F], wire: u32, to: F) -> Option<()> {
    *values.get_mut(wire as usize)? = to;
    Some(())
}

impl<F: PrimeField> Step<F> {
    /// Sets what the step determines. A bit that is not there and a quotient by zero are zero.
    fn run(&self, constraints: &[Constraint<F>], values: &mut [F]) -> Option<()> {
        match self {
            Self::Product { constraint, wire, inverse } => {
                let c = constraints.get(*constraint as usize)?;
                let product = value(&c.a, values) * value(&c.b, values);
                let rest = value_without(&c.c, values, Some(*wire));
                set(values, *wire, (product - rest) * inverse)
            }
            Self::Bits { constraint, sign, bits } => {
                let c = constraints.get(*constraint as usize)?;
                for (wire, _) in bits {
                    set(values, *wire, F::ZERO)?;
                }
                let number = (value(&c.a, values) * value(&c.b, values) - value(&c.c, values)) * sign;
                let number = number.into_bigint();
                for (wire, place) in bits {
                    set(values, *wire, F::from(number.get_bit(*place as usize)))?;
                }
                Some(())
            }
            Self::ZeroTest { divisor, x, scale, y, constant, at_zero } => {
                let (at_x, at_y) = match (value(divisor, values) * scale).inverse() {
                    None => (F::ZERO, *at_zero),
                    Some(inverse) => (*constant * inverse, F::ZERO),
                };
                if let Some(y) = y {
                    set(values, *y, at_y)?;
                }
                set(values, *x, at_x)
            }
            Self::Quotient { constraint, wire } => {
                let c = constraints.get(*constraint as usize)?;
                let (divisor, other) =
                    if c.a.iter().any(|(w, _)| w == wire) { (&c.b, &c.a) } else { (&c.a, &c.b) };
                let divisor = value(divisor, values);
                let coefficient = other.iter().filter(|(w, _)| w == wire).map(|(_, k)| *k).sum::<F>();
                let rest = value_without(other, values, Some(*wire));
                let quotient = (divisor * coefficient).inverse().unwrap_or(F::ZERO);
                set(values, *wire, (value(&c.c, values) - divisor * rest) * quotient)
            }
        }
    }
}

/// The place of a power of two.
fn place<F: PrimeField>(k: &F) -> Option<u32> {
    let k = k.into_bigint();
    let top = k.num_bits().checked_sub(1)?;
    (0..top).all(|i| !k.get_bit(i as usize)).then_some(top)
}

/// The one term of a combination that has one, without the constant wire.
fn single<F: PrimeField>(lc: &LinearCombination<F>) -> Option<(u32, F)> {
    match lc[..] {
        [(wire, k)] if wire != 0 && !k.is_zero() => Some((wire, k)),
        _ => None,
    }
}

fn pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

struct Search<'a, F> {
    r1cs: &'a R1cs<F>,
    /// For each wire the constraints that mention it.
    at: Vec<Vec<u32>>,
    given: Vec<u32>,
    known: Vec<bool>,
    /// For each wire a constraint `b * (b - 1) = 0`, where there is one.
    bit: Vec<Option<u32>>,
    /// For wires `u` and `v` with a constraint `u * v = t`: the `t`, or `None` for `u * v = 0`, and the constraint.
    products: HashMap<(u32, u32), (Option<u32>, u32)>,
    queue: VecDeque<u32>,
    /// Constraints to which rule 4 applies with a condition.
    conditional: BTreeSet<u32>,
    steps: Vec<Step<F>>,
    /// Constraints that hold by what they determine: by rules 1 and 3, and that bits are bits.
    kept: BTreeSet<u32>,
}

impl<'a, F: PrimeField> Search<'a, F> {
    fn new(r1cs: &'a R1cs<F>, given: Vec<u32>) -> Self {
        let mut at = vec![Vec::new(); r1cs.n_wires as usize];
        let mut bit = vec![None; r1cs.n_wires as usize];
        let mut products = HashMap::new();
        for (i, c) in (0u32..).zip(&r1cs.constraints) {
            for (wire, _) in c.a.iter().chain(&c.b).chain(&c.c) {
                if let Some(at) = at.get_mut(*wire as usize).filter(|at| at.last() != Some(&i)) {
                    at.push(i);
                }
            }
            if let Some(bit) = bit_of(c).and_then(|wire| bit.get_mut(wire as usize)) {
                *bit = Some(i);
            }
            if let (Some((u, ku)), Some((v, kv))) = (single(&c.a), single(&c.b)) {
                if c.c.iter().all(|(_, k)| k.is_zero()) {
                    products.insert(pair(u, v), (None, i));
                } else if let Some((t, _)) = single(&c.c).filter(|(_, kt)| ku * kv == *kt) {
                    products.entry(pair(u, v)).or_insert((Some(t), i));
                }
            }
        }
        let mut known = vec![false; r1cs.n_wires as usize];
        for wire in std::iter::once(&0).chain(&given) {
            if let Some(known) = known.get_mut(*wire as usize) {
                *known = true;
            }
        }
        let queue = (0u32..).zip(&r1cs.constraints).map(|(i, _)| i).collect();
        Self {
            r1cs,
            at,
            given,
            known,
            bit,
            products,
            queue,
            conditional: BTreeSet::new(),
            steps: Vec::new(),
            kept: BTreeSet::new(),
        }
    }

    fn run(mut self) -> Determination<F> {
        let mut conditions = Vec::new();
        loop {
            while let Some(constraint) = self.queue.pop_front() {
                self.visit(constraint);
            }
            // Only when nothing else is left to do.
            let Some(constraint) = self.conditional.pop_first() else { break };
            if let Some(wire) = self.quotient(constraint) {
                conditions.push(constraint);
                self.determine(Step::Quotient { constraint, wire }, [], &[wire]);
            }
        }
        conditions.sort_unstable();
        let wires = |is: &dyn Fn(usize) -> bool| {
            (0..self.r1cs.n_wires).filter(|wire| *wire != 0 && is(*wire as usize)).collect::<Vec<u32>>()
        };
        Determination {
            free: wires(&|wire| !self.known.get(wire).copied().unwrap_or(true)),
            unused: wires(&|wire| self.at.get(wire).is_some_and(Vec::is_empty)),
            conditions,
            assertions: (0u32..)
                .zip(&self.r1cs.constraints)
                .map(|(i, _)| i)
                .filter(|i| !self.kept.contains(i))
                .collect(),
            given: self.given,
            steps: self.steps,
        }
    }

    fn bit_constraint(&self, wire: u32) -> Option<u32> {
        self.bit.get(wire as usize).copied().flatten()
    }

    fn is_known(&self, wire: u32) -> bool {
        self.known.get(wire as usize).copied().unwrap_or(false)
    }

    /// The undetermined wires of a combination with their coefficients.
    fn unknown(&self, lc: &LinearCombination<F>) -> Vec<(u32, F)> {
        lc.iter().filter(|(wire, k)| !k.is_zero() && !self.is_known(*wire)).copied().collect()
    }

    fn determine(&mut self, step: Step<F>, keeping: impl IntoIterator<Item = u32>, wires: &[u32]) {
        self.steps.push(step);
        self.kept.extend(keeping);
        for wire in wires {
            if let Some(known) = self.known.get_mut(*wire as usize) {
                *known = true;
            }
            self.queue.extend(self.at.get(*wire as usize).into_iter().flatten());
        }
    }

    fn visit(&mut self, constraint: u32) {
        let Some(c) = self.r1cs.constraints.get(constraint as usize) else { return };
        let (a, b, rest) = (self.unknown(&c.a), self.unknown(&c.b), self.unknown(&c.c));
        match (&a[..], &b[..], &rest[..]) {
            ([], [], [(wire, coefficient)]) => {
                let wire = *wire;
                // Most are one or minus one, their own inverses.
                let inverse =
                    if coefficient.square().is_one() { Some(*coefficient) } else { coefficient.inverse() };
                if let Some(inverse) = inverse {
                    self.determine(Step::Product { constraint, wire, inverse }, [constraint], &[wire]);
                }
            }
            ([], [], [_, _, ..]) => {
                if let Some((sign, bits)) = self.bits(&rest) {
                    let wires: Vec<u32> = bits.iter().map(|(wire, _)| *wire).collect();
                    let keeping: Vec<u32> =
                        wires.iter().filter_map(|wire| self.bit_constraint(*wire)).collect();
                    self.determine(Step::Bits { constraint, sign, bits }, keeping, &wires);
                }
            }
            ([_], [], _) | ([], [_], _) => {
                let (x, divisor) = if b.is_empty() { (&c.a, &c.b) } else { (&c.b, &c.a) };
                if let Some((step, keeping, wires)) = self.zero_test(constraint, x, divisor, &c.c) {
                    self.determine(step, keeping, &wires);
                } else if let Some(wire) = self.quotient(constraint) {
                    match c.c[..] {
                        [(0, k)] if !k.is_zero() && x.iter().all(|(w, _)| *w == wire) => {
                            self.determine(Step::Quotient { constraint, wire }, [], &[wire]);
                        }
                        _ => {
                            self.conditional.insert(constraint);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Rule 2.
    fn bits(&self, unknown: &[(u32, F)]) -> Option<(F, Vec<(u32, u32)>)> {
        if !unknown.iter().all(|(wire, _)| self.bit_constraint(*wire).is_some()) {
            return None;
        }
        [F::ONE, -F::ONE].into_iter().find_map(|sign| {
            let places = |terms: &[(u32, F)]| -> Option<Vec<(u32, u32)>> {
                terms.iter().map(|(wire, k)| Some((*wire, place(&(sign * k))?))).collect()
            };
            let bits = places(unknown)?;
            let mut seen = BTreeSet::new();
            if !bits.iter().all(|(_, place)| seen.insert(*place)) {
                return None;
            }
            // Numbers of so many bits are below the order; or else these are all bits of one that is compared with it.
            let short = seen.last().is_some_and(|top| top + 1 < F::MODULUS_BIT_SIZE);
            (short || self.is_below_order(&bits)).then_some((sign, bits))
        })
    }

    /// Whether a comparator (`AtMost` in circuits/lib/bits.circom) keeps the number with these bits below the field's order.
    /// The constant is read from the constraints: from the most significant bit down, `tied * bit = tied'` where it has a
    /// one and `tied * bit = 0` where it has a zero; ones where the constraints end.
    fn is_below_order(&self, bits: &[(u32, u32)]) -> bool {
        let mut by_place: Vec<(u32, u32)> = bits.iter().map(|(wire, place)| (*place, *wire)).collect();
        by_place.sort_unstable_by(|x, y| y.cmp(x));
        let [(top, top_wire), rest @ ..] = &by_place[..] else { return false };
        let mut tied = *top_wire;
        if *top + 1 != F::MODULUS_BIT_SIZE {
            return false;
        }
        let order = F::MODULUS;
        for ((place, wire), next) in rest.iter().zip((0..*top).rev()) {
            if *place != next {
                return false;
            }
            let has_one = match self.products.get(&pair(tied, *wire)) {
                Some((Some(and), _)) => {
                    tied = *and;
                    true
                }
                Some((None, _)) => false,
                // Ones from here on: not less than the order, which is the same so far.
                None => return false,
            };
            // The first place where they differ decides.
            match (order.get_bit(*place as usize), has_one) {
                (true, false) => return true,
                (false, true) => return false,
                _ => {}
            }
        }
        false
    }

    /// Rule 3, for a constraint `D * x = C`: the step, the constraints that it keeps, and what it determines.
    fn zero_test(
        &self,
        constraint: u32,
        x: &LinearCombination<F>,
        divisor: &LinearCombination<F>,
        c: &LinearCombination<F>,
    ) -> Option<(Step<F>, Vec<u32>, Vec<u32>)> {
        let (x, scale) = single(x)?;
        let (constant, y, k) = match c[..] {
            [(0, constant), (y, k)] | [(y, k), (0, constant)] => (constant, y, k),
            _ => return None,
        };
        if y == 0 || y == x || constant.is_zero() || k.is_zero() {
            return None;
        }
        let (None, excluded) = *self.products.get(&pair(x, y))? else { return None };
        let at_zero = -constant * k.inverse()?;
        let step = |y| Step::ZeroTest { divisor: divisor.clone(), x, scale, y, constant, at_zero };
        if self.is_known(y) {
            // These determine `x`, and say what `y` must be besides.
            return Some((step(None), vec![], vec![x]));
        }
        // `D * y = 0` is needed only to determine `y`.
        let vanishing = self.at.get(y as usize)?.iter().copied().find(|i| {
            let Some(c) = self.r1cs.constraints.get(*i as usize) else { return false };
            let is_y = |lc: &LinearCombination<F>| single(lc).is_some_and(|(wire, _)| wire == y);
            let zero = c.c.iter().all(|(_, k)| k.is_zero());
            zero && ((is_y(&c.a) && proportional(&c.b, divisor))
                || (is_y(&c.b) && proportional(&c.a, divisor)))
        })?;
        Some((step(Some(y)), vec![constraint, excluded, vanishing], vec![y, x]))
    }

    /// Rule 4: the wire `x` of `D * x = C` with the rest determined.
    fn quotient(&self, constraint: u32) -> Option<u32> {
        let c = self.r1cs.constraints.get(constraint as usize)?;
        match (&self.unknown(&c.a)[..], &self.unknown(&c.b)[..], &self.unknown(&c.c)[..]) {
            ([(wire, _)], [], []) | ([], [(wire, _)], []) => Some(*wire),
            _ => None,
        }
    }
}

/// The wire `b` of a constraint `b * (b - 1) = 0`, up to constant factors and order.
fn bit_of<F: PrimeField>(c: &Constraint<F>) -> Option<u32> {
    if !c.c.iter().all(|(_, k)| k.is_zero()) {
        return None;
    }
    let (wire, _) = single(&c.a).or_else(|| single(&c.b))?;
    let is = |lc: &LinearCombination<F>, root: F| {
        let at = |x: F| -> F { lc.iter().map(|(w, k)| if *w == 0 { *k } else { *k * x }).sum() };
        lc.iter().all(|(w, _)| *w == 0 || *w == wire) && at(root).is_zero() && !at(root + F::ONE).is_zero()
    };
    let (zero, one) = (F::ZERO, F::ONE);
    ((is(&c.a, zero) && is(&c.b, one)) || (is(&c.a, one) && is(&c.b, zero))).then_some(wire)
}

/// Whether one combination is a multiple of the other, by a factor that is not zero.
fn proportional<F: PrimeField>(left: &LinearCombination<F>, right: &LinearCombination<F>) -> bool {
    let sorted = |lc: &LinearCombination<F>| {
        let mut terms: Vec<(u32, F)> = lc.iter().filter(|(_, k)| !k.is_zero()).copied().collect();
        terms.sort_unstable_by_key(|(wire, _)| *wire);
        terms
    };
    let (left, right) = (sorted(left), sorted(right));
    let (Some((_, k)), Some((_, l))) = (left.first(), right.first()) else { return false };
    left.len() == right.len() && left.iter().zip(&right).all(|((v, x), (w, y))| v == w && *x * l == *y * k)
}
