import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";
import type { Discovery } from "../ports/discovery.ts";
import type { Link, LinkError, Links } from "../ports/links.ts";

/** Links and discovery that can be held: while paused nothing is announced, dialled or accepted, and no link stays open. */
export interface Pause {
  readonly links: Links;
  readonly createDiscovery: (() => Discovery) | undefined;
  readonly isPaused: () => boolean;
  readonly set: (paused: boolean) => Promise<void>;
}

interface Search {
  readonly port: number;
  readonly found: (address: string) => void;
}

export const createPause = (links: Links, createDiscovery: (() => Discovery) | undefined): Pause => {
  const open = new Set<Link>();
  const holds = new Set<(paused: boolean) => Promise<void>>();
  let paused = false;

  const kept = (link: Link): Link => {
    open.add(link);
    return {
      ...link,
      start: (handlers) => {
        link.start({
          message: handlers.message,
          closed: (reason) => {
            open.delete(link);
            handlers.closed(reason);
          },
        });
      },
      close: () => {
        open.delete(link);
        link.close();
      },
    };
  };
  const held: LinkError = { type: "PeerUnreachable", message: "Syncing is paused.", fault: "paused" };

  const createHeldDiscovery = (create: () => Discovery): Discovery => {
    let search: Search | undefined;
    let running: Discovery | undefined;
    const run = (): void => {
      if (search === undefined || paused) return;
      running = create();
      running.start(search.port, search.found);
    };
    const rest = async (): Promise<void> => {
      const ended = running;
      running = undefined;
      await ended?.stop();
    };
    const hold = async (isHeld: boolean): Promise<void> => {
      if (isHeld) await rest();
      else run();
    };
    holds.add(hold);
    return {
      start: (port, found) => {
        search = { port, found };
        run();
      },
      refresh: () => running?.refresh(),
      report: () => running?.report() ?? { lans: [], ignored: [], neighbours: 0, nodes: 0 },
      stop: () => {
        holds.delete(hold);
        search = undefined;
        return rest();
      },
    };
  };

  return {
    links: {
      listen: (host, port, accepted) =>
        links.listen(host, port, (link) => {
          if (paused) link.close();
          else accepted(kept(link));
        }),
      dial: async (address, as): Promise<Result<Link, LinkError>> => {
        if (paused) return err(held);
        const dialled = await links.dial(address, as);
        if (!dialled.ok) return dialled;
        if (!paused) return { ok: true, value: kept(dialled.value) };
        dialled.value.close();
        return err(held);
      },
      stop: links.stop,
    },
    createDiscovery: createDiscovery && (() => createHeldDiscovery(createDiscovery)),
    isPaused: () => paused,
    set: async (next) => {
      if (next === paused) return;
      paused = next;
      if (next) for (const link of open) link.close();
      await Promise.all([...holds].map((hold) => hold(next)));
    },
  };
};
