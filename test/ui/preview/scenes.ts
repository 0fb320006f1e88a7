import { contractError } from "../../../app/contract/errors.ts";
import type { Member, PendingInvite } from "../../../app/contract/types.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import type { Overrides, World } from "../support/fake-transport.ts";
import { IDENTITY, createWorld, hex } from "../support/fake-transport.ts";
import { DIFF, FIELD_NOTES, HISTORY, MEMBERS, NOTES, PROXIES, sampleWorld } from "../support/sample-world.ts";

interface Scene {
  readonly world: World;
  readonly overrides: Overrides;
}

const invite = (seed: number, more: Partial<PendingInvite>): PendingInvite => ({
  id: hex(seed, 16),
  direction: "incoming",
  notebook: FIELD_NOTES.id,
  label: FIELD_NOTES.title,
  name: "Emil Novak",
  person: { id: hex(64, 32), standing: "new" },
  state: "requested",
  checkString: "482913",
  message: "",
  ...more,
});

const manyNotes = () =>
  Array.from({ length: 10_000 }, (_, index) => ({
    ...(NOTES[index % 9] ?? sampleNote()),
    id: `${FIELD_NOTES.id}${index.toString(16).padStart(32, "0")}`,
    title: `Observation ${index + 1}`,
    updatedAt: (NOTES[0]?.updatedAt ?? 0) - index * 3_600_000,
  }));
const sampleNote = () => {
  throw new Error("the sample world has notes");
};

/** Every situation worth looking at, by name. */
const SCENES: Readonly<Record<string, () => Partial<Scene>>> = {
  imported: () => ({
    overrides: {
      "import.profile": () =>
        Promise.resolve(
          ok({
            notebooks: [{ id: hex(70, 16), title: FIELD_NOTES.title }],
            documents: 67,
            histories: 67,
            attachments: 12,
            failed: [],
          }),
        ),
    },
  }),
  welcome: () => ({ world: createWorld({ vault: "absent", identity: null }) }),
  "welcome-passphrase": () => ({
    world: createWorld({ vault: "absent", identity: null, protection: "passphrase" }),
  }),
  locked: () => ({ world: createWorld({ vault: "locked", protection: "passphrase", passphrase: "correct" }) }),
  failed: () => ({
    overrides: { "workspace.show": () => Promise.resolve(err(contractError("CorruptKeyFile"))) },
  }),
  empty: () => ({ world: createWorld({ identity: { ...IDENTITY, phraseConfirmed: false } }) }),
  "empty-notebook": () => ({ world: sampleWorld({ documents: [] }) }),
  workspace: () => ({}),
  nag: () => ({ world: sampleWorld({ identity: { ...IDENTITY, phraseConfirmed: false } }) }),
  alone: () => ({
    world: sampleWorld({
      summary: {
        connectedPeers: [],
        visiblePeers: 0,
        connectedProxies: 0,
        safe: { on: 0, of: 0 },
        undelivered: 14,
        pending: 0,
        paused: false,
      },
    }),
  }),
  many: () => ({ world: sampleWorld({ documents: manyNotes() }) }),
  "list-failed": () => ({
    overrides: { "documents.page": () => Promise.resolve(err(contractError("CorruptDatabase"))) },
  }),
  notices: () => ({
    world: sampleWorld({
      recovered: [
        {
          document: `${FIELD_NOTES.id}${hex(70, 16)}`,
          notebook: FIELD_NOTES.id,
          notebookTitle: "House rebuilding",
          title: "Roof and gutters",
          at: (NOTES[0]?.updatedAt ?? 0) - 7_200_000,
          reason: "demoted",
          changes: 12,
        },
        {
          document: `${FIELD_NOTES.id}${hex(71, 16)}`,
          notebook: FIELD_NOTES.id,
          notebookTitle: "Choir",
          title: "",
          at: (NOTES[0]?.updatedAt ?? 0) - 172_800_000,
          reason: "removed",
          changes: 0,
        },
      ],
    }),
  }),
  left: () => ({ world: sampleWorld({ notebooks: [{ ...FIELD_NOTES, membership: "left" }] }) }),
  requests: () => ({
    world: sampleWorld({
      invites: [
        invite(61, {}),
        invite(64, { name: "Ben Haddad", person: { id: hex(34, 32), standing: "namesake" } }),
        invite(62, { state: "connecting", name: null, checkString: null }),
        invite(63, { state: "joined", name: "Fatima Ali" }),
      ],
    }),
  }),
  reader: () => ({
    world: sampleWorld({
      notebooks: [{ ...FIELD_NOTES, role: "reader" }],
      members: {
        [FIELD_NOTES.id]: MEMBERS.slice(0, 2).map((member): Member => ({
          ...member,
          role: member.self ? "reader" : "owner",
        })),
      },
    }),
  }),
  removed: () => ({ world: sampleWorld({ notebooks: [{ ...FIELD_NOTES, role: "writer", membership: "removed" }] }) }),
  history: () => ({
    world: sampleWorld({
      history: HISTORY,
      diff: DIFF,
      merged: {
        before: [hex(1, 32)],
        heads: [hex(2, 32)],
        changes: 17,
        people: [{ member: hex(8, 32), name: "Ben Haddad", self: false }],
      },
    }),
  }),
  "history-empty": () => ({}),
  importing: () => ({ overrides: { "import.markdown": () => new Promise(() => undefined) } }),
  "import-report": () => ({
    overrides: {
      "import.markdown": () =>
        Promise.resolve({
          ok: true,
          value: {
            job: hex(9, 16),
            state: "done",
            files: 1248,
            imported: 1231,
            unchanged: 15,
            attached: 3,
            failed: [
              { path: "attic/broken-encoding.md", reason: "Not UTF-8 text." },
              { path: "attic/huge.md", reason: "Larger than 8 MB." },
            ],
            dropped: [
              { what: "Raw HTML", count: 37, example: "<details><summary>Build flags</summary>" },
              { what: "Footnotes", count: 4, example: "[^1]: see the appendix" },
              { what: "Pictures outside the folder", count: 2, example: "../shared/logo.png" },
            ],
            milliseconds: 8_420,
          },
        }),
    },
  }),
  "search-failed": () => ({
    overrides: { search: () => Promise.resolve(err(contractError("Internal"))) },
  }),
  proxies: () => {
    const world = sampleWorld();
    world.status = { ...world.status, proxies: PROXIES };
    world.summary = { ...world.summary, connectedPeers: [], connectedProxies: 1, safe: { on: 1, of: 2 } };
    return { world };
  },
  "network-empty": () => ({
    world: sampleWorld({
      summary: {
        connectedPeers: [],
        visiblePeers: 0,
        connectedProxies: 0,
        safe: { on: 0, of: 0 },
        undelivered: 0,
        pending: 0,
        paused: false,
      },
      status: { listening: [], peers: [], proxies: [], notebooks: [] },
    }),
  }),
};

export const createScene = (name: string): Scene => ({
  world: sampleWorld(),
  overrides: {},
  ...(SCENES[name] ?? SCENES["workspace"])?.(),
});
