import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { networkUnavailable, withNetwork } from "../support/netns.ts";

describe("the network harness", () => {
  test("has what it needs", () => {
    expect(networkUnavailable()).toBeUndefined();
  });

  test("joins hosts, cuts and mends a cable, and captures what passes", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-netns-"));
    try {
      await withNetwork(["ann", "bob"], async (network) => {
        const ann = network.host("ann");
        const bob = network.host("bob");
        const capture = await ann.capture(path.join(folder, "ann.pcap"));
        const [command, ...args] = bob.command([
          process.execPath,
          "-e",
          `require("node:net").createServer((s) => s.end("canary-text")).listen(4000, "::", () => console.log("up"))`,
        ]);
        const server = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
        await new Promise<void>((resolve) => {
          server.stdout.once("data", () => {
            resolve();
          });
        });
        const read = (host: string): string =>
          ann.run(
            process.execPath,
            "-e",
            `require("node:net").connect({ host: "${host}", port: 4000 }).on("data", (d) => console.log(String(d)))`,
          );
        expect(read(bob.address)).toBe("canary-text\n");
        expect(read(`${bob.ipv6LinkLocal}%eth0`)).toBe("canary-text\n");
        bob.unplug();
        expect(bob.run("cat", "/sys/class/net/eth0/carrier").trim()).toBe("0");
        bob.plug();
        expect(read(bob.address)).toBe("canary-text\n");
        bob.throttle(512);
        expect(read(bob.address)).toBe("canary-text\n");
        await capture.stop();
        expect(readFileSync(capture.file).includes("canary-text")).toBe(true);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
