import { defineConfig } from "@playwright/test";
import path from "node:path";

const RESULTS = path.join(path.dirname(path.dirname(import.meta.dirname)), "test-results");

export default defineConfig({
  testDir: import.meta.dirname,
  testMatch: "*.spec.ts",
  outputDir: path.join(RESULTS, "e2e"),
  workers: 1,
  retries: 0,
  timeout: 240_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [["list"], ["json", { outputFile: path.join(RESULTS, "e2e.json") }]],
});
