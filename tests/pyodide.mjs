// Runs pytest on CPython as WebAssembly: node tests/pyodide.mjs '{"project", "path", "arguments"}'.
// The project's folder and those of the path are the machine's own; all else is in memory.
import { loadPyodide } from "pyodide";

const { project, path, arguments: given } = JSON.parse(process.argv[2]);
const python = await loadPyodide({ env: { HOME: "/tmp", PYTHONUTF8: "1" } });
for (const folder of [project, ...path]) python.mountNodeFS(folder, folder);
python.globals.set("given", python.toPy({ project, path, arguments: given }));
process.exitCode = python.runPython(`
import os, sys
os.chdir(given["project"])
sys.path[:0] = given["path"]
sys.dont_write_bytecode = True
import pytest
int(pytest.main(given["arguments"]))
`);
