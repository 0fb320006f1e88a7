import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "electron-vite";
import { existsSync } from "node:fs";
import path from "node:path";

const ROOT = path.dirname(import.meta.dirname);
const at = (...parts: readonly string[]): string => path.join(ROOT, ...parts);

/** Entry points of the main process' bundle; each becomes out/main/NAME.js. */
const mainEntries = {
  main: at("main", "main.ts"),
  "engine-process": at("main", "engine", "engine-process.ts"),
  "proxy-process": at("main", "proxy", "proxy-process.ts"),
  "reader-worker": at("main", "adapters", "reader-worker.ts"),
  "opener-worker": at("main", "adapters", "opener-worker.ts"),
  "backup-worker": at("main", "adapters", "backup", "backup-worker.ts"),
  "history-worker": at("main", "adapters", "history-worker.ts"),
  "compactor-worker": at("main", "adapters", "compactor-worker.ts"),
};

/** Native code and WebAssembly stay packages; everything else is bundled, which makes start-up quick. */
const EXTERNAL = [/^node:/, /^(electron|better-sqlite3|@automerge\/automerge)($|\/)/];

export default defineConfig({
  main: {
    build: {
      outDir: at("out", "main"),
      emptyOutDir: true,
      target: "node20",
      sourcemap: true,
      externalizeDeps: false,
      rollupOptions: {
        input: Object.fromEntries(Object.entries(mainEntries).filter(([, file]) => existsSync(file))),
        external: EXTERNAL,
        output: {
          format: "es",
          entryFileNames: "[name].js",
          chunkFileNames: "chunks/[name]-[hash].js",
          // Names stay: the log keeps the stack of what went wrong.
          minify: { compress: true, mangle: false, codegen: true },
        },
      },
    },
  },
  preload: {
    build: {
      outDir: at("out", "preload"),
      emptyOutDir: true,
      externalizeDeps: false,
      rollupOptions: {
        input: { preload: at("main", "shell", "preload.ts") },
        external: ["electron"],
        output: { format: "cjs", entryFileNames: "[name].cjs" },
      },
    },
  },
  renderer: {
    root: at("renderer"),
    plugins: [svelte({ configFile: at("renderer", "svelte.config.js") })],
    build: {
      outDir: at("out", "renderer"),
      emptyOutDir: true,
      target: "chrome130",
      minify: "oxc",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      rollupOptions: { input: at("renderer", "index.html") },
    },
  },
});
