import { expect, test } from "@playwright/test";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { DocumentSummary, InviteCreated, Notebook, SyncSummary } from "../../app/contract/types.ts";
import type { Capture, Network } from "../support/netns.ts";
import type { ProxyProcess } from "../support/proxy-process.ts";
import { startProxy } from "../support/proxy-process.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import type { Person } from "./people.ts";
import { EDITOR, answers, ask, comeBack, openNote, settleIn, withPeople } from "./people.ts";

const ARRIVES_MS = 90_000;
/** What only members may ever read: titles, text, a file's name and its beginning. */
const CANARIES = [
  "Heronry canary",
  "Herons canary",
  "forty nests canary",
  "two more canary",
  "canary.bin",
  "canary in the file",
];
const FILE_BYTES = 200_000;

const isSafeOn = (person: Person, count: number): Promise<void> =>
  answers<SyncSummary>(
    person,
    "sync.summary",
    undefined,
    ({ safe, undelivered }) => safe.on === count && safe.of === 2 && undelivered === 0,
    ARRIVES_MS,
  );

/** All bytes of the files below a folder. */
const bytesBelow = (folder: string): Buffer =>
  Buffer.concat(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => readFileSync(path.join(parentPath, name))),
  );

const journey = async (network: Network, ada: Person, ben: Person, folder: string): Promise<void> => {
  const names = ["first", "second"] as const;
  const folders = names.map((name) => path.join(folder, name));
  const proxies: ProxyProcess[] = [];
  const captures: Capture[] = [];
  try {
    for (const [index, name] of names.entries()) {
      captures.push(await network.host(name).capture(path.join(folder, `${name}.pcap`)));
      proxies.push(await startProxy(folders[index] as string, 0, [], undefined, network.host(name)));
    }
    await Promise.all([ada, ben].map((person) => settleIn(person)));
    for (const proxy of proxies) {
      await ask(ada, "proxies.add", { link: proxy.link });
      await ask(ben, "proxies.add", { link: await proxy.mint() });
    }
    const { id: notebook } = await ask<Notebook>(ada, "notebooks.create", { title: "Heronry canary" });
    const { link } = await ask<InviteCreated>(ada, "invites.create", { notebook, mode: "auto" });
    await ask(ben, "invites.join", { link });
    await answers<readonly Notebook[]>(
      ben,
      "notebooks.list",
      undefined,
      (list) => list.some(({ id, membership }) => id === notebook && membership === "active"),
      ARRIVES_MS,
    );
    await ben.app.close();

    const { id: document } = await ask<DocumentSummary>(ada, "documents.create", {
      notebook,
      title: "Herons canary",
      markdown: "forty nests canary",
    });
    const file = new Uint8Array(FILE_BYTES);
    file.set(Buffer.from("canary in the file"));
    file.set(createSeededRandom("file").bytes(FILE_BYTES - 100), 100);
    writeFileSync(path.join(folder, "canary.bin"), file);
    await ask(ada, "attachments.add", { document, path: path.join(folder, "canary.bin"), place: "end" });
    await isSafeOn(ada, 2);
    await ada.app.click("role=treeitem[name=/^Heronry/]");
    await openNote(ada, "Herons canary", "forty nests canary");
    await ada.app.click(`${EDITOR} p >> nth=0`);
    await ada.app.press("End");
    await ada.app.type(EDITOR, " and two");
    await proxies[0]?.kill();
    await ada.app.type(EDITOR, " more canary");
    await isSafeOn(ada, 1);
    await ada.keep("01-one-of-two");
    await ada.app.close();

    await comeBack(ben);
    await ben.app.click("role=treeitem[name=/^Heronry/]");
    await ben.app.waitFor("role=option[name=/^Herons/]", "visible", ARRIVES_MS);
    await openNote(ben, "Herons canary", "and two more canary");
    await answers<readonly { readonly state: string }[]>(
      ben,
      "attachments.list",
      { document },
      ([first]) => first?.state === "present",
    );
    await ben.keep("02-later");
    await ben.app.close();
    await proxies[1]?.stop();
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.kill()));
    await Promise.all(captures.map((capture) => capture.stop()));
  }
  for (const [index, { file }] of captures.entries()) {
    const places = { wire: readFileSync(file), disk: bytesBelow(folders[index] as string) };
    for (const [place, bytes] of Object.entries(places)) {
      // Both have the file: what is looked through is what was carried.
      expect(bytes.length, `${names[index]}: ${place}`).toBeGreaterThan(FILE_BYTES);
      for (const canary of CANARIES) {
        expect(bytes.includes(canary), `${names[index]}: ${place} has "${canary}"`).toBe(false);
        expect(bytes.includes(Buffer.from(canary, "utf16le")), `${names[index]}: ${place}, UTF-16`).toBe(false);
      }
    }
  }
};

test("I26 I27 one writes and quits, the other comes later on another network and has it; of two proxies one is killed, and neither disk nor wire holds a word", async () => {
  test.setTimeout(240_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-proxies-"));
  const segments: Readonly<Record<string, number>> = { ada: 0, ben: 1 };
  try {
    await withPeople(
      "proxies",
      ["Ada", "Ben"],
      async (network, people) => journey(network, ...(people as [Person, Person]), folder),
      ["first", "second"],
      (host) => segments[host] ?? 2,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
