import { ensureBuilt } from "./bootstrap/build.mjs";
import { ensureElectron } from "./bootstrap/electron-runtime.mjs";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { ensureSqliteBinding } from "./bootstrap/sqlite-binding.mjs";
import { ensureSystemPackages } from "./bootstrap/system-packages.mjs";

await ensurePackages();
await ensureSystemPackages(["electron", "display", "keychain"]);
const electron = await ensureElectron();
const binding = await ensureSqliteBinding(electron.version);
await ensureBuilt();
console.log(JSON.stringify({ ...electron, binding: binding ?? null }));
