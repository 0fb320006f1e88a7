import { ensureBuilt } from "./bootstrap/build.mjs";
import { ensurePackages } from "./bootstrap/packages.mjs";

await ensurePackages();
await ensureBuilt();
