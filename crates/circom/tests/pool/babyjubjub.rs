//! BabyJubjub (ERC-2494), as little of it as forging takes.

use super::*;

pub type Point = [Fr; 2];

fn number(text: &str) -> Fr {
    text.parse().unwrap()
}

pub fn base() -> Point {
    [
        number("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
        number("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
    ]
}

pub const ORDER: &str = "2736030358979909402780800718157159386076813972158567259200215660948447373041";

pub fn add([x1, y1]: Point, [x2, y2]: Point) -> Point {
    let (a, d) = (Fr::from(168_700u64), Fr::from(168_696u64));
    let t = d * x1 * x2 * y1 * y2;
    [
        (x1 * y2 + y1 * x2) * (Fr::one() + t).inverse().unwrap(),
        (y1 * y2 - a * x1 * x2) * (Fr::one() - t).inverse().unwrap(),
    ]
}

pub fn multiply(k: &num_bigint::BigUint, point: Point) -> Point {
    (0..k.bits()).rev().fold([Fr::zero(), Fr::one()], |sum, i| {
        let doubled = add(sum, sum);
        if k.bit(i) { add(doubled, point) } else { doubled }
    })
}
