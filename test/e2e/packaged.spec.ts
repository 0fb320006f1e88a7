import { FuseV1Options, getCurrentFuseWire } from "@electron/fuses";
import { chromium } from "@playwright/test";
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";
import { ROOT } from "../support/electron-runtime.ts";
import { createUnprivilegedSetup } from "../support/unprivileged.ts";
import { expect, isRoot, test } from "./fixtures.ts";

const UNPACKED = path.join(ROOT, "dist", "linux-unpacked");
const EXECUTABLE = path.join(UNPACKED, "p2pcollab");
/** Values of a fuse byte in the binary: the digits `0` and `1`. */
const OFF = "0".charCodeAt(0);
const ON = "1".charCodeAt(0);

test("the packaged app is fused shut, and opens its window in the sandbox", async ({
  display,
  runtime,
  dataDirectory,
}) => {
  test.setTimeout(300_000);
  execFileSync(process.execPath, [path.join(ROOT, "tools", "package.mjs"), "--dir"], { stdio: "ignore" });

  const fuses = await getCurrentFuseWire(EXECUTABLE);
  expect(fuses[FuseV1Options.RunAsNode]).toBe(OFF);
  expect(fuses[FuseV1Options.EnableNodeOptionsEnvironmentVariable]).toBe(OFF);
  expect(fuses[FuseV1Options.EnableNodeCliInspectArguments]).toBe(OFF);
  expect(fuses[FuseV1Options.OnlyLoadAppFromAsar]).toBe(ON);

  const packaged = { ...runtime, dist: UNPACKED, executable: EXECUTABLE, binding: null };
  const setup = isRoot ? createUnprivilegedSetup(packaged) : undefined;
  try {
    const folder = setup?.dataDirectory ?? dataDirectory;
    const child = spawn(setup?.executable ?? EXECUTABLE, ["--remote-debugging-port=0", "--data-dir", folder], {
      env: { PATH: process.env["PATH"], HOME: folder, ...setup?.environment, DISPLAY: display.name },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    try {
      const address = await new Promise<string>((resolve, reject) => {
        child.once("exit", (code) => {
          reject(new Error(`the packaged app ended with ${code}:\n${log}`));
        });
        child.stderr.on("data", (chunk: Buffer) => {
          log += chunk.toString();
          const found = /DevTools listening on (ws:\S+)/.exec(log)?.[1];
          if (found !== undefined) resolve(found);
        });
      });
      const browser = await chromium.connectOverCDP(address);
      const pages = (): readonly string[] =>
        browser.contexts().flatMap((context) => context.pages().map((page) => page.url()));
      await expect.poll(pages, { timeout: 30_000 }).toContain("app://p2pcollab/index.html");
      await browser.close();
    } finally {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await gone;
    }
  } finally {
    setup?.dispose();
  }
});
