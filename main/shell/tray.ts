import type { MenuItemConstructorOptions } from "electron";
import { Menu, Tray, app } from "electron";
import path from "node:path";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { AppEvent, SyncSummary, VaultStatus } from "../../app/contract/types.ts";
import { followIdentities } from "./follow-identities.ts";

/** Names in the menu before the rest is counted. */
const MAX_NAMES = 8;

const connection = ({ connectedPeers, paused }: SyncSummary): string => {
  if (paused) return "Paused";
  const count = connectedPeers.length;
  if (count === 0) return "Not connected";
  return count === 1 ? "Connected to 1 device" : `Connected to ${count} devices`;
};

/** One summary of all open identities; `undefined` while none is open. */
export const joinSummaries = (summaries: readonly SyncSummary[]): SyncSummary | undefined => {
  const [first, ...others] = summaries;
  if (first === undefined) return undefined;
  return others.reduce(
    (all, one) => ({
      connectedPeers: [...all.connectedPeers, ...one.connectedPeers],
      visiblePeers: all.visiblePeers + one.visiblePeers,
      connectedProxies: all.connectedProxies + one.connectedProxies,
      safe: one.safe.on / Math.max(1, one.safe.of) < all.safe.on / Math.max(1, all.safe.of) ? one.safe : all.safe,
      undelivered: all.undelivered + one.undelivered,
      pending: all.pending + one.pending,
      paused: all.paused && one.paused,
    }),
    first,
  );
};

/** What the tray shows: `summary` undefined while the profile is closed. */
export const trayMenu = (
  summary: SyncSummary | undefined,
  actions: { readonly open: () => void; readonly pause: (paused: boolean) => void; readonly quit: () => void },
): MenuItemConstructorOptions[] => {
  const names = (summary?.connectedPeers ?? []).map(({ name }) => name ?? "A device");
  const more = names.length - MAX_NAMES;
  return [
    { label: summary === undefined ? "Locked" : connection(summary), enabled: false },
    ...names.slice(0, MAX_NAMES).map((name) => ({ label: `    ${name}`, enabled: false })),
    ...(more > 0 ? [{ label: `    and ${more} more`, enabled: false }] : []),
    ...(summary !== undefined && summary.undelivered > 0
      ? [
          {
            label: summary.undelivered === 1 ? "1 change only here" : `${summary.undelivered} changes only here`,
            enabled: false,
          },
        ]
      : []),
    { type: "separator" },
    { label: "Open p2pcollab", click: actions.open },
    ...(summary === undefined
      ? []
      : [
          {
            label: "Pause syncing",
            type: "checkbox" as const,
            checked: summary.paused,
            click: () => actions.pause(!summary.paused),
          },
        ]),
    { type: "separator" },
    { label: "Quit", click: actions.quit },
  ];
};

const ICON = process.platform === "darwin" ? "trayTemplate.png" : "tray.png";

/** Shows the icon for as long as the app runs; its menu follows the node. */
export const showTray = (contract: ContractHost, openWindow: () => void): void => {
  const tray = new Tray(path.join(app.getAppPath(), "main", "shell", "resources", ICON));
  const open = new Map<string, ContractHost>();
  const summaries = new Map<string, SyncSummary>();
  const show = (): void => {
    const summary = joinSummaries([...summaries.values()]);
    // Linux hosts read a menu once: every change needs a menu of its own.
    tray.setContextMenu(
      Menu.buildFromTemplate(
        trayMenu(summary, {
          open: openWindow,
          pause: (paused) => {
            for (const identity of open.values()) void identity.invoke("sync.pause", { paused });
          },
          quit: () => app.quit(),
        }),
      ),
    );
    tray.setToolTip(summary === undefined ? "p2pcollab" : `p2pcollab: ${connection(summary)}`);
  };
  tray.on("click", openWindow);
  show();
  followIdentities(contract, (identity, id) => {
    const unsubscribe = identity.subscribe("events", undefined, (message) => {
      if (!message.ok) return;
      const event = message.value as AppEvent;
      if (event.type === "syncChanged") {
        summaries.set(id, event.summary);
        show();
      } else if (event.type === "identityChanged")
        void identity.invoke("vault.status", undefined).then((status) => {
          if (status.ok && (status.value as VaultStatus).state === "unlocked") return;
          summaries.delete(id);
          show();
        });
    });
    open.set(id, identity);
    return () => {
      unsubscribe();
      open.delete(id);
      summaries.delete(id);
      show();
    };
  });
};
