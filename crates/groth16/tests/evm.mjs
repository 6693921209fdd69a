// Compiles a verifier contract, deploys it on a local EVM and asks it about proofs.
//
//     node evm.mjs NODE_MODULES CONTRACT.sol CALLDATA.json
//
// CALLDATA.json is a list of argument lists as `snarkjs zkey export soliditycalldata` prints them. Prints one line for
// each: true, false, or the error.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, contract, calls] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const solc = require("solc");

const compiled = JSON.parse(
    solc.compile(
        JSON.stringify({
            language: "Solidity",
            sources: { "Verifier.sol": { content: readFileSync(contract, "utf8") } },
            settings: {
                optimizer: { enabled: true },
                outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.methodIdentifiers"] } },
            },
        }),
    ),
);
if (compiled.errors?.length) {
    console.error(compiled.errors.map((e) => e.formattedMessage).join("\n"));
    process.exit(1);
}
const { bytecode, methodIdentifiers } = compiled.contracts["Verifier.sol"].Groth16Verifier.evm;
const selector = Object.entries(methodIdentifiers).find(([name]) => name.startsWith("verifyProof("))[1];

// anvil's own binary: the launcher of its package would leave it running when it is stopped itself.
const platform = `@foundry-rs/anvil-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
const anvil = spawn(join(modules, platform, "bin/anvil"), ["--port", "0", "--host", "127.0.0.1"], {
    stdio: ["ignore", "pipe", "inherit"],
});
try {
    const url = await new Promise((resolve, reject) => {
        let seen = "";
        anvil.stdout.on("data", (chunk) => {
            seen += chunk;
            const at = seen.match(/Listening on ([\d.]+:\d+)/);
            if (at) resolve(`http://${at[1]}`);
        });
        anvil.on("error", reject);
        anvil.on("exit", (code) => reject(new Error(`anvil ended with ${code}`)));
    });
    const rpc = async (method, params) => {
        const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
        const response = await fetch(url, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body,
        });
        const { result, error } = await response.json();
        if (error) throw new Error(error.message);
        return result;
    };
    const [from] = await rpc("eth_accounts", []);
    const hash = await rpc("eth_sendTransaction", [{ from, data: "0x" + bytecode.object, gas: "0x1c9c380" }]);
    let receipt = null;
    while (!receipt) receipt = await rpc("eth_getTransactionReceipt", [hash]);
    if (receipt.status !== "0x1") throw new Error("the contract was not deployed");
    const words = (x) => (Array.isArray(x) ? x.map(words).join("") : BigInt(x).toString(16).padStart(64, "0"));
    for (const args of JSON.parse(readFileSync(calls, "utf8"))) {
        const call = { to: receipt.contractAddress, data: "0x" + selector + words(args) };
        try {
            console.log(BigInt(await rpc("eth_call", [call, "latest"])) === 1n);
        } catch (error) {
            console.log(`error: ${error.message}`);
        }
    }
} finally {
    anvil.kill();
}
