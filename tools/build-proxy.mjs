import path from "node:path";
import { build } from "vite";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { ROOT } from "./run.mjs";

await ensurePackages();
/** The proxy as one file for Node 24 or newer; beside it only better-sqlite3, which is native. */
await build({
  root: ROOT,
  configFile: false,
  logLevel: "warn",
  ssr: { noExternal: true, external: ["better-sqlite3"] },
  build: {
    ssr: path.join(ROOT, "main", "proxy", "proxy-main.ts"),
    outDir: path.join(ROOT, "out", "proxy"),
    emptyOutDir: true,
    target: "node24",
    rollupOptions: { output: { entryFileNames: "p2pcollab-proxy.mjs" } },
  },
});
