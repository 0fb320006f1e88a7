import type { MenuItemConstructorOptions } from "electron";
import { expect, test, vi } from "vitest";
import type { SyncSummary } from "../../app/contract/types.ts";

vi.mock("electron", () => ({ app: { on: () => undefined, isPackaged: false }, Menu: {}, Tray: {}, dialog: {} }));
const { closingMeans } = await import("../../main/shell/background.ts");
const { linkIn } = await import("../../main/shell/deep-link.ts");
const { trayMenu } = await import("../../main/shell/tray.ts");

test("closing asks only where running on would be invisible, and never against a choice", () => {
  expect(closingMeans("automatic", true)).toBe("keep");
  expect(closingMeans("automatic", false)).toBe("ask");
  for (const hasTray of [true, false]) {
    expect(closingMeans("keep", hasTray)).toBe("keep");
    expect(closingMeans("quit", hasTray)).toBe("quit");
  }
});

test.each([
  [["p2pcollab", "p2pc:j/abc"], "p2pc:j/abc"],
  [["p2pcollab", "--flag", "P2PCOLLAB:j/abc"], "p2pc:j/abc"],
  [["p2pcollab", "p2pcollab://j/abc"], "p2pc:j/abc"],
  [["p2pcollab", "https://example.invalid/p2pc:j/abc"], undefined],
  [["p2pcollab", `p2pc:${"a".repeat(2_000)}`], undefined],
  [["p2pcollab"], undefined],
])("the link in %j is %j", (argv, link) => {
  expect(linkIn(argv)).toBe(link);
});

const summary: SyncSummary = {
  connectedPeers: [],
  visiblePeers: 0,
  connectedProxies: 0,
  safe: { on: 0, of: 0 },
  undelivered: 0,
  pending: 0,
  paused: false,
};
const labels = (items: readonly MenuItemConstructorOptions[]) =>
  items.flatMap(({ label }) => (label ? [label.trim()] : []));
const actions = { open: vi.fn(), pause: vi.fn(), quit: vi.fn() };

test("the tray names who is connected and what waits, and offers everything without a click on the icon", () => {
  const peers = Array.from({ length: 10 }, (_, at) => ({ id: String(at), name: at === 0 ? null : `P${at}` }));
  expect(labels(trayMenu({ ...summary, connectedPeers: peers, undelivered: 1 }, actions))).toEqual([
    "Connected to 10 devices",
    "A device",
    "P1",
    "P2",
    "P3",
    "P4",
    "P5",
    "P6",
    "P7",
    "and 2 more",
    "1 change only here",
    "Open p2pcollab",
    "Pause syncing",
    "Quit",
  ]);
  expect(labels(trayMenu(undefined, actions))).toEqual(["Locked", "Open p2pcollab", "Quit"]);
});

test("the tray's pause is a check mark that turns the other way", () => {
  const pause = trayMenu({ ...summary, paused: true }, actions).find(({ label }) => label === "Pause syncing");
  expect(pause?.checked).toBe(true);
  (pause as { readonly click: () => void }).click();
  expect(actions.pause).toHaveBeenCalledWith(false);
});
