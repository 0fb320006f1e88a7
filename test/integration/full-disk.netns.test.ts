import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";

test(
  "a full disk refuses the edit by name, loses nothing acknowledged, and the node goes on once there is room",
  {
    timeout: 120_000,
  },
  async () => {
    const folder = temporaryFolder("full");
    const disk = path.join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", disk]);
    const node = await startHeadless(disk);
    try {
      await node.call("identity.create", { name: "Ann" });
      const notebook = (await node.call("notebooks.create", { title: "Book" })).id;
      const document = (await node.call("documents.create", { notebook, title: "Note" })).id;
      const acknowledged: string[] = [];
      let refused = "";
      for (let i = 0; i < 400 && refused === ""; i++) {
        const word = `w${i}-${randomBytes(10_000).toString("hex")}`;
        try {
          await node.call("documents.edit", { document, appendMarkdown: word });
          acknowledged.push(word.slice(0, 40));
        } catch (cause) {
          refused = String(cause);
        }
      }
      expect(refused).toContain("DiskFull");
      expect(acknowledged.length).toBeGreaterThan(1);
      execFileSync("mount", ["-o", "remount,size=64m", disk]);
      await node.call("documents.edit", { document, appendMarkdown: "room again" });
      const { text } = await node.call("documents.read", { document });
      expect(acknowledged.filter((start) => !text.includes(start))).toEqual([]);
      expect(text).toContain("room again");
    } finally {
      await node.stop();
      execFileSync("umount", ["-l", disk]);
      removeFolder(folder);
    }
  },
);
