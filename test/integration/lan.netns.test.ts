import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { networkUnavailable, withNetwork } from "../support/netns.ts";

/** Words that stand in the note, its title, the notebook's title and people's names, and nowhere else. */
const CANARIES = ["quetzalcoatlus", "marzipanfabrik", "xylophonkonzert", "Wilhelmina", "Bartholomew"] as const;
const [WORD, TITLE, NOTEBOOK, ANN, BOB] = CANARIES;

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));

/** Canaries as plain, UTF-16 and hex or base64 text that occur in the file. */
const leaksIn = (file: string, canaries: readonly (string | Uint8Array)[]): string[] => {
  const bytes = readFileSync(file);
  return canaries.flatMap((canary) => {
    const plain = Buffer.from(canary as string);
    const forms = [
      plain,
      Buffer.from(plain.toString("hex")),
      Buffer.from(plain.toString("base64").replaceAll("=", "")),
    ];
    if (typeof canary === "string") forms.push(Buffer.from(canary, "utf16le"));
    return forms.some((form) => bytes.includes(form)) ? [`${path.basename(file)}: ${plain.toString("hex")}`] : [];
  });
};

test(
  "nodes on one LAN meet by mDNS; neither the wire nor a stranger's disk holds anything of the notebook",
  { timeout: 120_000 },
  async () => {
    expect(networkUnavailable()).toBeUndefined();
    await withNetwork(["ann", "bob", "eve"], async (network) => {
      const nodes: HeadlessNode[] = [];
      const folders: string[] = [];
      const captured = temporaryFolder("capture");
      folders.push(captured);
      const capture = await network.host("ann").capture(path.join(captured, "ann.pcap"));
      const start = async (name: string): Promise<HeadlessNode> => {
        const folder = temporaryFolder(name);
        folders.push(folder);
        const node = await startHeadless(folder, { args: [], before: network.host(name).command([]) });
        nodes.push(node);
        return node;
      };
      try {
        const [ann, bob, eve] = [await start("ann"), await start("bob"), await start("eve")];
        await ann.call("identity.create", { name: ANN });
        await bob.call("identity.create", { name: BOB });
        await eve.call("identity.create", { name: "Eve" });
        const notebook = await ann.call("notebooks.create", { title: NOTEBOOK });
        const note = await ann.call("documents.create", {
          notebook: notebook.id,
          title: TITLE,
          markdown: `A ${WORD} flies.`,
        });
        const found = await eventually(
          async () => {
            const [peers, strangers] = [await bob.call("peers.list"), await eve.call("peers.list")];
            return (
              peers.some((peer) => peer.found === "mdns") &&
              strangers.some((peer) => peer.found === "mdns") &&
              strangers
            );
          },
          "everyone sees the others",
          40_000,
        );
        expect(found.every(({ name, notebooks }) => name === null && notebooks.length === 0)).toBe(true);

        const { link } = await ann.call("invites.create", { notebook: notebook.id, mode: "ask" });
        await bob.call("invites.join", { link });
        const request = await eventually(
          async () => (await ann.call("invites.pending")).find(({ state }) => state === "requested"),
          "Bob's request",
          40_000,
        );
        await ann.call("invites.approve", { id: request.id });
        await eventually(
          async () => {
            const { notebooks } = await bob.call("sync.status");
            return notebooks[0]?.documents.some(({ id }) => id === note.id);
          },
          "the note at Bob",
          40_000,
        );
        await bob.call("documents.edit", { document: note.id, appendMarkdown: `Two ${WORD}s.` });
        await eventually(
          async () => (await ann.call("documents.read", { document: note.id })).text.includes("Two"),
          "Bob's edit",
          40_000,
        );
        const { findings, report } = await ann.call("network.check");
        const good = findings.filter(({ outcome }) => outcome === "good").map(({ title }) => title);
        expect(good).toEqual(
          expect.arrayContaining(["This computer accepts connections", "Others are in sight", "Connected"]),
        );
        expect(good.some((title) => title.startsWith("Announcements pass on "))).toBe(true);
        expect((await ann.call("peers.list")).map(({ stage }) => stage)).toContain("current");
        for (const secret of [ANN, BOB, NOTEBOOK, TITLE, WORD]) expect(report).not.toContain(secret);

        network.host("bob").unplug();
        await ann.call("documents.edit", { document: note.id, appendMarkdown: "Ann alone." });
        await bob.call("documents.edit", { document: note.id, appendMarkdown: "Bob alone." });
        network.host("bob").plug();
        const both = await eventually(
          async () => {
            const [a, b] = [
              await ann.call("documents.read", { document: note.id }),
              await bob.call("documents.read", { document: note.id }),
            ];
            return (
              a.heads.join() === b.heads.join() && a.text.includes("Bob alone.") && b.text.includes("Ann alone.") && a
            );
          },
          "equal heads after the cable is back",
          90_000,
        );
        expect(both.text).toContain(WORD);

        await capture.stop();
        const rid = Buffer.from(notebook.id, "hex");
        expect(leaksIn(capture.file, [...CANARIES, rid])).toEqual([]);
        const packets = execFileSync("tcpdump", ["-r", capture.file, "-n", "tcp"], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        expect(packets.toString().split("\n").length, "the capture saw the traffic").toBeGreaterThan(50);
        await eve.stop();
        for (const file of filesBelow(eve.dataDirectory)) expect(leaksIn(file, [...CANARIES, rid])).toEqual([]);
      } finally {
        for (const node of nodes) await node.stop();
        for (const folder of folders) removeFolder(folder);
      }
    });
  },
);
