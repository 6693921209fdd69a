// Compiles the bundled circuits, or checks that what is committed is what their sources compile to.
//
//   circuits/build.sh                 rebuild
//   circuits/build.sh --check         exit 1 and name what is stale
//   circuits/build.sh --strict DIR    compile the pool's circuits in EIP-8182's form, which nobody commits, into DIR
//
// circom comes from npm: `npm ci --prefix tests`. Its output depends on nothing but the sources.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EIP, poolExamples, TACIT } from "./pool/examples.mjs";
import { exampleSpend } from "./spend/example.mjs";

const circuits = dirname(fileURLToPath(import.meta.url));
const modules = process.env.TACIT_NODE_MODULES ?? join(circuits, "..", "tests", "node_modules");
const circom = join(modules, "circom2", "cli.js");

// Circuits whose compiled form is committed beside their source, and those whose is not.
const committed = ["spend/spend", "pool/pool_transact", "pool/auth_eddsa", "pool/auth_xmss"];
const strict = ["pool/pool_transact_eip8182", "pool/auth_eddsa_eip8182", "pool/auth_xmss_eip8182"];

const check = process.argv[2] === "--check";
const strictInto = process.argv[2] === "--strict" ? process.argv[3] : undefined;
if (!existsSync(circom)) {
    console.error("circom is not installed; run: npm ci --prefix tests");
    process.exit(1);
}

const scratch = mkdtempSync(join(tmpdir(), "tacit-circuits-"));
const stale = [];

/** Writes `bytes` to a committed file, or notes that it is not what it should be. */
function settle(file, bytes) {
    const path = join(circuits, file);
    if (!check) {
        writeFileSync(path, bytes);
        console.log(`circuits/${file}: ${bytes.length} bytes`);
    } else if (!existsSync(path) || !readFileSync(path).equals(bytes)) {
        stale.push(`circuits/${file}`);
    }
}

/** Compiles `circuits/NAME.circom`: the constraints and the witness calculator. */
function compile(name) {
    // circom in WASI sees only what lies below the directory it runs in, and the way up from there.
    const args = [circom, `${name}.circom`, "--O1", "--r1cs", "--wasm", "-o", scratch];
    const run = spawnSync(process.execPath, args, { cwd: circuits, encoding: "utf8" });
    if (run.status !== 0) {
        console.error(`circom could not compile circuits/${name}.circom:\n${run.stdout}${run.stderr}`);
        process.exit(1);
    }
    const base = basename(name);
    return {
        [`${base}.r1cs`]: readFileSync(join(scratch, `${base}.r1cs`)),
        [`${base}.wasm`]: readFileSync(join(scratch, `${base}_js`, `${base}.wasm`)),
    };
}

const json = (value) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);

try {
    if (strictInto) {
        mkdirSync(strictInto, { recursive: true });
        for (const name of strict) {
            for (const [file, bytes] of Object.entries(compile(name))) writeFileSync(join(strictInto, file), bytes);
        }
    } else {
        for (const name of committed) {
            for (const [file, bytes] of Object.entries(compile(name))) settle(join(dirname(name), file), bytes);
        }
        settle("spend/example.json", json(exampleSpend(circuits)));
        for (const [rules, suffix] of [[TACIT, ""], [EIP, "_eip8182"]]) {
            for (const [circuit, examples] of Object.entries(poolExamples(circuits, rules))) {
                settle(`pool/examples/${circuit}${suffix}.json`, json(examples));
            }
        }
    }
} finally {
    rmSync(scratch, { recursive: true, force: true });
}

if (stale.length > 0) {
    console.error(`stale: ${stale.join(", ")}\nrebuild with circuits/build.sh and commit what changed`);
    process.exit(1);
}
if (check) console.log("circuits: what is committed is what the sources compile to");
