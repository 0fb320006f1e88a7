import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], environment: "node", benchmark: { include: [] }, ...options },
});

export default defineConfig({
  test: {
    projects: [
      project("unit"),
      project("property", { testTimeout: 120_000 }),
      project("vectors", { testTimeout: 120_000 }),
      project("contract", { testTimeout: 60_000 }),
      project("simulation", { testTimeout: 300_000 }),
      project("integration", { testTimeout: 120_000, fileParallelism: false }),
      project("architecture", { testTimeout: 300_000, fileParallelism: false }),
      {
        plugins: [svelte({ configFile: "renderer/svelte.config.js" }), svelteTesting({ autoCleanup: false })],
        ...project("ui", { environment: "happy-dom", testTimeout: 30_000, setupFiles: ["test/ui/support/setup.ts"] }),
      },
    ],
  },
});
