// The one-time part and the tree of the XMSS that lib/xmss.circom verifies, in plain JavaScript, for worked examples.

const CHAINS = 128;
const TARGET = 64;

/** The codeword of a digest, or null if it has none. */
function codeword(digest) {
    const bits = Array.from({ length: CHAINS }, (_, i) => Number((digest >> BigInt(i)) & 1n));
    return bits.reduce((sum, bit) => sum + bit, 0) === TARGET ? bits : null;
}

/** The public key that these one-time starts and this path have. */
export function xmssKey({ poseidon, domain }, { publicSeed, index, starts, siblings }) {
    const chain = domain("tacit_xmss_chain") + 256n * index;
    const ends = starts.map((start, i) => poseidon(chain + BigInt(i), publicSeed, start));
    let node = poseidon(domain("tacit_xmss_leaf") + index, publicSeed, ...ends);
    siblings.forEach((sibling, h) => {
        const tweak = domain("tacit_xmss_node") + (BigInt(h + 1) << 32n) + (index >> BigInt(h + 1));
        node = (index >> BigInt(h)) & 1n ? poseidon(tweak, sibling, node) : poseidon(tweak, node, sibling);
    });
    return { root: node, ends };
}

/** A signature by one one-time key, with the first randomizer that does, from `randomizer` upward. */
export function xmssSign(hash, key, randomizer, message) {
    const { poseidon, domain } = hash;
    const { root, ends } = xmssKey(hash, key);
    for (let r = randomizer; ; r++) {
        const bits = codeword(poseidon(domain("tacit_xmss_message"), r, root, key.index, message));
        if (bits) {
            const chains = bits.map((bit, i) => (bit ? ends[i] : key.starts[i]));
            const { publicSeed, index, siblings } = key;
            return { root, publicSeed, index, randomizer: r, chains, siblings };
        }
    }
}
