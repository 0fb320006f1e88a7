import path from "node:path";
import { expect, test } from "vitest";
import type { Api } from "../../app/contract/create-api.ts";
import { createApi } from "../../app/contract/create-api.ts";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { networkUnavailable, withNetwork } from "../support/netns.ts";
import { commonStrings, readCapture } from "../support/pcap.ts";
import { startProxy } from "../support/proxy-process.ts";

/** Shorter common strings are chance or the fields of a header (data.md section 16, I32). */
const SHORTEST = 16;

const byte = (...values: readonly number[]): string => String.fromCharCode(...values);
const SUITES = [
  "AESGCM_SHA256",
  "ChaChaPoly_SHA256",
  "ChaChaPoly_BLAKE2b",
  "AESGCM_SHA512",
  "AESGCM_BLAKE2b",
  "AESGCM_BLAKE2s",
  "ChaChaPoly_SHA512",
  "ChaChaPoly_BLAKE2s",
];
/** A NoiseLingo request: the first suite (field 2) and those for a retry (field 4), as protocol buffers. */
const offer = (pattern: string): string =>
  SUITES.map((suite, at) => {
    const name = `Noise_${pattern}_25519_${suite}`;
    return byte(at === 0 ? 0x12 : 0x22, name.length) + name;
  }).join("");
const OFFER_TO_ANYONE = offer("XX");
const dnsName = (...labels: readonly string[]): string =>
  `${labels.map((label) => byte(label.length) + label).join("")}\0`;
/** RFC 1035, section 3.2: type, class IN, time to live. */
const dnsRecord = (type: number, seconds: number): string => byte(0, type, 0, 1, 0, 0, seconds >> 8, seconds & 255);
const [A, PTR, TXT, AAAA, SRV] = [1, 12, 16, 28, 33] as const;
const RECORD_COUNTS = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Everything that all installs say alike, beside their own addresses; nothing else may be common. */
const CONSTANTS: readonly string[] = [
  OFFER_TO_ANYONE,
  offer("XK"),
  `${byte(0x5a, 12)}p2pc-proxy/1`,
  dnsName("_p2pcollab", "_tcp", "local"),
  dnsName("_services", "_dns-sd", "_udp", "local"),
  dnsName("local"),
  // RFC 6762, section 18: no id, a question or an answer, and how many records follow.
  byte(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
  ...RECORD_COUNTS.flatMap((answers) =>
    RECORD_COUNTS.map((more) => byte(0, 0, 0x84, 0, 0, 0, 0, answers, 0, 0, 0, more)),
  ),
  ...[28_800, 4_500, 120, 0].flatMap((seconds) => [A, PTR, TXT, AAAA, SRV].map((type) => dnsRecord(type, seconds))),
  `${byte(0, 4, 3)}v=1`,
  // RFC 6762, section 8.1: a probe asks for ANY.
  byte(0, 255, 0, 1),
  // Length, priority and weight of an SRV record.
  byte(0, 30, 0, 0, 0, 0),
];
/** Lengths between constants, three bytes, and up to three digits that two random names begin with alike: once in 65 536 runs more do. */
const CHANCE = 6;

const isMadeOf = (text: string, constants: readonly string[]): boolean => {
  const separator = String.fromCodePoint(0x100);
  const rest = constants
    .toSorted((a, b) => b.length - a.length)
    .reduce((left, constant) => left.replaceAll(constant, separator), text);
  return rest.includes(separator) && rest.split(separator).every((piece) => piece.length <= CHANCE);
};

const must = async <T>(
  answer: Promise<
    { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { readonly type: string } }
  >,
): Promise<T> => {
  const settled = await answer;
  if (!settled.ok) throw new Error(settled.error.type);
  return settled.value;
};

test("the comparison finds a string that two sources share, whole, and lets constants pass only as they are", () => {
  const noise = (seed: number) =>
    Buffer.from(Array.from({ length: 400 }, (_, at) => (seed * 61 + at * at * seed) & 255));
  const secret = Buffer.from("twenty-four words say who");
  const sources = [[Buffer.concat([noise(3), secret, noise(5)])], [noise(7)], [Buffer.concat([noise(11), secret])]];
  const found = commonStrings(sources, SHORTEST);
  expect(found.some((text) => text.includes(secret.toString("latin1")))).toBe(true);
  expect(found.every((text) => isMadeOf(text, [secret.toString("latin1")]))).toBe(true);
  expect(found.some((text) => isMadeOf(text, [secret.toString("latin1", 0, 16)]))).toBe(false);
  expect(commonStrings([[noise(3)], [noise(7)]], SHORTEST)).toEqual([]);
});

test(
  "I32 two identities of one install share no byte string on the wire: friends, a proxy and announcements",
  { timeout: 120_000 },
  async () => {
    expect(networkUnavailable()).toBeUndefined();
    await withNetwork(["home", "friend", "colleague", "always"], async (network) => {
      const cleanUp: (() => Promise<unknown> | void)[] = [];
      const newFolder = (label: string): string => {
        const folder = temporaryFolder(label);
        cleanUp.push(() => removeFolder(folder));
        return folder;
      };
      const start = async (name: string): Promise<HeadlessNode> => {
        const node = await startHeadless(newFolder(name), { args: [], before: network.host(name).command([]) });
        cleanUp.push(node.stop);
        return node;
      };
      try {
        const file = path.join(newFolder("capture"), "home.pcap");
        const capture = await network.host("home").capture(file);
        const [home, friend, colleague] = await Promise.all([start("home"), start("friend"), start("colleague")]);
        const proxy = await startProxy(newFolder("always"), 0, [], undefined, network.host("always"));
        cleanUp.push(proxy.kill);
        await home.call("identity.create", { name: "Ada" });
        await friend.call("identity.create", { name: "Ben" });
        await colleague.call("identity.create", { name: "Cara" });
        const added = await home.call("identities.add");
        const [ada, work]: readonly [Api, Api] = [createApi(home.client), createApi(home.client, added.id)];
        await must(work.call("identity.create", { name: "A. Lovelace" }));

        const live = async (identity: Api, link: string, other: HeadlessNode): Promise<void> => {
          await must(identity.call("proxies.add", { link }));
          const notebook = await must(identity.call("notebooks.create", { title: "The same title" }));
          const text = "The same words, which only keys keep apart. ".repeat(20);
          const note = await must(
            identity.call("documents.create", { notebook: notebook.id, title: "The same note", markdown: text }),
          );
          const invite = await must(identity.call("invites.create", { notebook: notebook.id, mode: "auto" }));
          await other.call("invites.join", { link: invite.link });
          await eventually(
            async () => {
              const { notebooks } = await other.call("sync.status");
              return notebooks.some(({ documents }) => documents.some(({ id }) => id === note.id));
            },
            "the note at the other side",
            40_000,
          );
          await must(
            identity.call("attachments.add", {
              document: note.id,
              bytes: new TextEncoder().encode(text),
              name: "same.txt",
              mime: "text/plain",
            }),
          );
          await must(identity.call("documents.edit", { document: note.id, appendMarkdown: "Told to both." }));
          await eventually(
            async () => (await must(identity.call("sync.summary"))).safe.on === 1,
            "everything at the always-on node",
            40_000,
          );
        };
        await Promise.all([
          live(ada, proxy.link ?? "", friend),
          proxy.mint().then((link) => live(work, link, colleague)),
        ]);
        const listening = await Promise.all([ada, work].map((identity) => must(identity.call("sync.status"))));
        const ports = listening.map(({ listening: [first = ""] }) => Number(first.slice(first.lastIndexOf(":") + 1)));
        expect(new Set(ports).size).toBe(2);
        // Who shares nothing with an identity knows of it by its announcement alone.
        for (const [at, stranger] of [colleague, friend].entries())
          await eventually(
            async () =>
              (await stranger.call("peers.list")).some(
                ({ address, found }) => found === "mdns" && address.endsWith(`:${ports[at]}`),
              ),
            "the announcement of each identity",
            40_000,
          );
        await home.stop();
        await capture.stop();

        const host = network.host("home");
        const linkLocal = Buffer.from(
          host.ipv6LinkLocal
            .replace("::", ":".repeat(9 - host.ipv6LinkLocal.split(":").filter(Boolean).length))
            .split(":")
            .map((group) => group.padStart(4, "0"))
            .join(""),
          "hex",
        );
        const own = new Set([host.address, `[${linkLocal.toString("hex")}]`]);
        const { connections, multicast } = readCapture(file, (address) => own.has(address));
        const reached = (address: string) => connections.filter(({ remote }) => remote === address).length;
        expect(reached(proxy.address)).toBeGreaterThanOrEqual(2);
        expect(connections.filter(({ streams }) => streams.length > 0).length).toBeGreaterThanOrEqual(4);

        // RFC 2782: priority, weight, port, target.
        const announces = ports.map((port) => {
          const record = Buffer.concat([Buffer.alloc(4), Buffer.from([port >> 8, port & 255, 16])]);
          return multicast.flatMap((packet) => {
            const at = packet.indexOf(record);
            return at < 0 ? [] : [packet.toString("latin1", at + record.length, at + record.length + 16)];
          })[0];
        });
        expect(announces.every((instance) => /^[0-9a-f]{16}$/.test(instance ?? ""))).toBe(true);
        const said = announces.map((instance) => multicast.filter((packet) => packet.includes(instance ?? "-")));
        expect(said[0]?.some((packet) => said[1]?.includes(packet))).toBe(false);

        const addresses = [Buffer.from(host.address.split(".").map(Number)), linkLocal];
        const constants = [...CONSTANTS, ...addresses.map((bytes) => bytes.toString("latin1"))];
        const found = commonStrings([...connections.map(({ streams }) => streams), ...said], SHORTEST);
        // The first flight of every link is one of them, or nothing was compared.
        expect(found.some((text) => text.includes(OFFER_TO_ANYONE))).toBe(true);
        expect(found.filter((text) => !isMadeOf(text, constants))).toEqual([]);
      } finally {
        for (const work of cleanUp.toReversed()) await work();
      }
    });
  },
);
