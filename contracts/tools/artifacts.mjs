// Writes artifacts/: ABI and creation bytecode of each contract that is deployed, so that nothing but this folder is needed
// to deploy and call them. forge build comes first.
//
//   node contracts/tools/artifacts.mjs OUT [--check]
//
// OUT is forge's output folder. With --check nothing is written; the exit code is 1 if a file is not up to date.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [out, check] = process.argv.slice(2);
if (!out || (check && check !== "--check")) {
    console.error("usage: node contracts/tools/artifacts.mjs OUT [--check]");
    process.exit(2);
}
const folder = join(import.meta.dirname, "../artifacts");
const names = ["DemoToken", "EcdsaAuthVerifier", "Eip8182ShieldedPool", "Groth16AuthVerifier", "ShieldedPool"];

let stale = readdirSync(folder).filter((file) => !names.includes(file.replace(/\.json$/, "")));
for (const name of names) {
    const { abi, bytecode } = JSON.parse(readFileSync(join(out, `${name}.sol`, `${name}.json`), "utf8"));
    if (Object.keys(bytecode.linkReferences).length > 0) throw new Error(`${name} wants to be linked`);
    const entries = abi.map((entry) => "\n    " + JSON.stringify(entry)).join(",");
    const text = `{\n  "contractName": "${name}",\n  "abi": [${entries}\n  ],\n  "bytecode": "${bytecode.object}"\n}\n`;
    const file = join(folder, `${name}.json`);
    if (!check) writeFileSync(file, text);
    else if (readFileSync(file, "utf8") !== text) stale.push(`${name}.json`);
}
if (check && stale.length > 0) {
    console.error(`contracts/artifacts is not up to date (${stale.join(", ")}): run contracts/test.sh --update`);
    process.exit(1);
}
