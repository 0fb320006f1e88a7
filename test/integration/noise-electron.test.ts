import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "vite";
import { afterAll, expect, test } from "vitest";
import { electronRuntime, ROOT } from "../support/electron-runtime.ts";

const folder = mkdtempSync(path.join(tmpdir(), "p2pcollab-vectors-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("NSE-1 NSK-1 every published vector is reproduced in Electron, whose crypto is BoringSSL", async () => {
  const { executable } = electronRuntime();
  await build({
    root: ROOT,
    configFile: false,
    logLevel: "silent",
    ssr: { noExternal: true },
    build: {
      ssr: "test/vectors/cli.ts",
      outDir: folder,
      target: "node20",
      rollupOptions: { output: { entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" } },
    },
  });
  const vectors = path.join(ROOT, "test/vectors/data/noise/noise-public.json");
  const output = execFileSync(executable, [path.join(folder, "cli.mjs"), "--noise", vectors], {
    env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
    encoding: "utf8",
  });
  expect(output.trim().split("\n").at(-1)).toBe("1982 passed, 0 failed");
});
