import { afterEach, expect, test } from "vitest";
import { createSeededRandom } from "../support/seeded-random.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";

/**
 * Kills either node at seeded moments while both type and sync. KILL_POINTS=20 is a quick run that shows the same
 * property at fewer points.
 */
const POINTS = Number(process.env["KILL_POINTS"] ?? "200");
const SEED = process.env["KILL_SEED"] ?? "kill-1";
/** Longest time between two kills, in milliseconds: several edits, seals and pushes happen in it. */
const WINDOW_MS = 1_200;

const nodes = new Map<string, HeadlessNode>();
const folders: string[] = [];

afterEach(async () => {
  for (const node of nodes.values()) await node.stop();
  for (const folder of folders) removeFolder(folder);
});

test(
  `I8 I9 kill -9 at ${POINTS} points loses no acknowledged edit and forks no session (seed ${SEED})`,
  { timeout: 60_000 + POINTS * 15_000 },
  async () => {
    const random = createSeededRandom(SEED);
    const folder = { alice: temporaryFolder("alice"), bob: temporaryFolder("bob") };
    folders.push(folder.alice, folder.bob);
    const ports = { alice: 0, bob: 0 };
    const start = async (name: "alice" | "bob"): Promise<HeadlessNode> => {
      const node = await startHeadless(folder[name], { args: ["--listen", `127.0.0.1:${ports[name]}`, "--no-mdns"] });
      ports[name] = Number(node.address.split(":").at(-1));
      nodes.set(name, node);
      return node;
    };
    const node = (name: "alice" | "bob"): HeadlessNode => nodes.get(name) as HeadlessNode;

    await start("alice");
    await start("bob");
    await node("alice").call("identity.create", { name: "Alice" });
    await node("bob").call("identity.create", { name: "Bob" });
    const notebook = (await node("alice").call("notebooks.create", { title: "Log" })).id;
    const document = (await node("alice").call("documents.create", { notebook, title: "Log", markdown: "start" })).id;
    const { link } = await node("alice").call("invites.create", { notebook, mode: "auto" });
    await node("bob").call("invites.join", { link });
    await eventually(
      async () =>
        (await node("bob").call("sync.status")).notebooks.some(({ documents }) =>
          documents.some(({ id }) => id === document),
        ),
      "the note at Bob",
    );

    const acknowledged: string[] = [];
    let counter = 0;
    for (let point = 0; point < POINTS; point++) {
      const until = Date.now() + randomBelow(random, WINDOW_MS);
      const victim = randomBelow(random, 2) === 0 ? "alice" : "bob";
      const type = async (name: "alice" | "bob"): Promise<void> => {
        while (Date.now() < until) {
          const word = `w${counter++}`;
          try {
            await node(name).call("documents.edit", { document, appendMarkdown: word });
            acknowledged.push(word);
          } catch {
            // Not acknowledged: the note may or may not hold it.
            return;
          }
        }
      };
      const typing = [type("alice"), type("bob")];
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, until - Date.now() - randomBelow(random, 40))));
      await node(victim).kill();
      await Promise.all(typing);
      await start(victim);
    }

    for (const [from, to] of [
      ["alice", "bob"],
      ["bob", "alice"],
    ] as const)
      await node(from).call("peers.connect", { address: node(to).address });
    const final = await eventually(
      async () => {
        const a = await node("alice").call("documents.read", { document });
        const b = await node("bob").call("documents.read", { document });
        return a.heads.join() === b.heads.join() && a.text === b.text ? a : false;
      },
      "equal heads and text",
      60_000,
    );
    const words = new Set(final.text.split(/\s+/));
    expect(acknowledged.filter((word) => !words.has(word))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(POINTS);
    for (const name of ["alice", "bob"] as const) {
      const status = await eventually(async () => {
        const { notebooks } = await node(name).call("sync.status");
        return notebooks[0]?.undelivered === 0 ? notebooks[0] : false;
      }, "everything delivered");
      expect(status.pending, "entries left pending, as after a fork").toBe(0);
    }
  },
);
