import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The renderer over the node in memory, to be looked at in a plain browser. Never shipped. */
export default defineConfig({
  root: here("."),
  base: "./",
  plugins: [svelte({ configFile: here("../../../renderer/svelte.config.js") })],
  build: { outDir: here("../../../out/preview"), emptyOutDir: true, target: "chrome130", minify: false },
});
