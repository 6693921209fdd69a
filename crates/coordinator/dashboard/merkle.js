// RFC 9162's hashing and proofs, with the browser's SHA-256.

export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (b) => parseInt(b, 16));
export const toHex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// Section 2.1.1.
export const leafHash = (entry) => sha256(concat([0], entry));
export const nodeHash = (left, right) => sha256(concat([1], left, right));

// The root over leaf hashes.
export async function root(leaves) {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return leaves[0];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(await root(leaves.slice(0, split)), await root(leaves.slice(split)));
}

// Section 2.1.3.2: the root that an inclusion proof leads to; undefined where it is none.
export async function rootOfInclusion(leaf, index, size, path) {
  if (index >= size) return undefined;
  let [f, s, r] = [index, size - 1, leaf];
  for (const p of path) {
    if (s === 0) return undefined;
    if (f % 2 === 1 || f === s) {
      r = await nodeHash(p, r);
      if (f % 2 === 0) {
        do {
          f = Math.floor(f / 2);
          s = Math.floor(s / 2);
        } while (f % 2 === 0 && f !== 0);
      }
    } else r = await nodeHash(r, p);
    f = Math.floor(f / 2);
    s = Math.floor(s / 2);
  }
  return s === 0 ? r : undefined;
}

// Section 2.1.4.2: whether the tree of `second` leaves begins with the one of `first`.
export async function isConsistent(first, second, firstRoot, secondRoot, proof) {
  if (first > second) return false;
  if (first === second) return proof.length === 0 && toHex(firstRoot) === toHex(secondRoot);
  if (first === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(first)) ? [firstRoot, ...proof] : [...proof];
  if (path.length === 0) return false;
  let [f, s] = [first - 1, second - 1];
  while (f % 2 === 1) {
    f = Math.floor(f / 2);
    s = Math.floor(s / 2);
  }
  let [fr, sr] = [path[0], path[0]];
  for (const c of path.slice(1)) {
    if (s === 0) return false;
    if (f % 2 === 1 || f === s) {
      fr = await nodeHash(c, fr);
      sr = await nodeHash(c, sr);
      if (f % 2 === 0) {
        do {
          f = Math.floor(f / 2);
          s = Math.floor(s / 2);
        } while (f % 2 === 0 && f !== 0);
      }
    } else sr = await nodeHash(sr, c);
    f = Math.floor(f / 2);
    s = Math.floor(s / 2);
  }
  return s === 0 && toHex(fr) === toHex(firstRoot) && toHex(sr) === toHex(secondRoot);
}

// What a tree head's signature covers.
export function headBytes(head) {
  const label = new TextEncoder().encode("tacit v1 log tree head");
  const numbers = new DataView(new ArrayBuffer(16));
  numbers.setBigUint64(0, BigInt(head.size), true);
  numbers.setBigUint64(8, BigInt(head.timestamp), true);
  const number = (at) => new Uint8Array(numbers.buffer, at, 8);
  return concat([label.length], label, [1, 0], fromHex(head.log), number(0), fromHex(head.root), number(8));
}

// Whether the coordinator signed the head; undefined where this browser cannot tell.
export async function isSigned(head) {
  try {
    const key = await crypto.subtle.importKey("raw", fromHex(head.log), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, fromHex(head.signature), headBytes(head));
  } catch {
    return undefined;
  }
}
