// Compiles the bundled circuits, or checks that what is committed is what their sources compile to.
//
//   circuits/build.sh            rebuild
//   circuits/build.sh --check    exit 1 and name what is stale
//
// circom comes from npm: `npm ci --prefix tests`. Its output depends on nothing but the sources.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exampleSpend } from "./spend/example.mjs";

const circuits = dirname(fileURLToPath(import.meta.url));
const modules = process.env.TACIT_NODE_MODULES ?? join(circuits, "..", "tests", "node_modules");
const circom = join(modules, "circom2", "cli.js");

// Each source with the committed files it compiles to.
const targets = [{ source: "spend/spend.circom", outputs: ["spend.r1cs", "spend.wasm"], into: "spend" }];

const check = process.argv.includes("--check");
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

try {
    for (const { source, outputs, into } of targets) {
        // circom in WASI sees only what lies below the directory it runs in, and the way up from there.
        const args = [circom, source, "--O1", "--r1cs", "--wasm", "-o", scratch];
        const run = spawnSync(process.execPath, args, { cwd: circuits, encoding: "utf8" });
        if (run.status !== 0) {
            console.error(`circom could not compile circuits/${source}:\n${run.stdout}${run.stderr}`);
            process.exit(1);
        }
        for (const output of outputs) {
            const name = output.replace(/\.\w+$/, "");
            const made = output.endsWith(".wasm") ? join(scratch, `${name}_js`, output) : join(scratch, output);
            settle(join(into, output), readFileSync(made));
        }
    }
    settle("spend/example.json", Buffer.from(`${JSON.stringify(exampleSpend(circuits), null, 2)}\n`));
} finally {
    rmSync(scratch, { recursive: true, force: true });
}

if (stale.length > 0) {
    console.error(`stale: ${stale.join(", ")}\nrebuild with circuits/build.sh and commit what changed`);
    process.exit(1);
}
if (check) console.log("circuits: what is committed is what the sources compile to");
