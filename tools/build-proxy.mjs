import path from "node:path";
import { build } from "vite";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { ROOT } from "./run.mjs";

await ensurePackages();

/** The clients of PostgreSQL and S3 are a file of their own, loaded when a database is named: others need not even have it. */
const SHARED = "shared-home";
const apart = {
  name: "shared-home-apart",
  enforce: "pre",
  resolveId: (source) => (source === `./${SHARED}.ts` ? { id: `./${SHARED}.mjs`, external: true } : null),
};

const bundle = (entry, file, plugins) =>
  build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    plugins,
    ssr: { noExternal: true, external: ["better-sqlite3", "pg-native"] },
    build: {
      ssr: path.join(ROOT, "main", "proxy", entry),
      outDir: path.join(ROOT, "out", "proxy"),
      emptyOutDir: plugins.length > 0,
      target: "node24",
      rollupOptions: { output: { entryFileNames: file } },
    },
  });

/** The proxy as one file for Node 24 or newer; beside it only better-sqlite3, which is native. */
await bundle("proxy-main.ts", "p2pcollab-proxy.mjs", [apart]);
await bundle(`${SHARED}.ts`, `${SHARED}.mjs`, []);
