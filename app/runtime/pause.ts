import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";
import type { DurationMs } from "../../protocol/kernel/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Discovery } from "../ports/discovery.ts";
import type { Link, LinkError, Links } from "../ports/links.ts";

/** Links and discovery that can be held: meanwhile nothing is announced, dialled or accepted, and no link stays open. */
export interface Pause {
  readonly links: Links;
  readonly createDiscovery: (() => Discovery) | undefined;
  /** Whether a person holds them. */
  readonly isPaused: () => boolean;
  readonly set: (paused: boolean) => Promise<void>;
  /** Holds them for `delay` as well and then calls `over`, unless it was ended before. */
  readonly rest: (delay: DurationMs, over: () => void) => void;
  /** Ends a rest early. */
  readonly endRest: () => void;
}

interface Search {
  readonly port: number;
  readonly found: (address: string) => void;
}

export const createPause = (links: Links, createDiscovery: (() => Discovery) | undefined, clock: Clock): Pause => {
  const open = new Set<Link>();
  const holds = new Set<(held: boolean) => Promise<void>>();
  let paused = false;
  let resting: { readonly cancel: () => void; readonly over: () => void } | undefined;
  let isHeld = false;

  const follow = async (): Promise<void> => {
    const next = paused || resting !== undefined;
    if (next === isHeld) return;
    isHeld = next;
    if (next) for (const link of open) link.close();
    await Promise.all([...holds].map((hold) => hold(next)));
  };

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
  const refused: LinkError = { type: "PeerUnreachable", message: "Syncing is paused.", fault: "paused" };

  const createHeldDiscovery = (create: () => Discovery): Discovery => {
    let search: Search | undefined;
    let running: Discovery | undefined;
    const run = (): void => {
      if (search === undefined || isHeld) return;
      running = create();
      running.start(search.port, search.found);
    };
    const rest = async (): Promise<void> => {
      const ended = running;
      running = undefined;
      await ended?.stop();
    };
    const hold = async (held: boolean): Promise<void> => {
      if (held) await rest();
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
          if (isHeld) link.close();
          else accepted(kept(link));
        }),
      dial: async (address, as): Promise<Result<Link, LinkError>> => {
        if (isHeld) return err(refused);
        const dialled = await links.dial(address, as);
        if (!dialled.ok) return dialled;
        if (!isHeld) return { ok: true, value: kept(dialled.value) };
        dialled.value.close();
        return err(refused);
      },
      stop: links.stop,
    },
    createDiscovery: createDiscovery && (() => createHeldDiscovery(createDiscovery)),
    isPaused: () => paused,
    set: async (next) => {
      paused = next;
      await follow();
    },
    rest: (delay, over) => {
      resting?.cancel();
      const end = (): void => {
        resting = undefined;
        void follow();
        over();
      };
      resting = { cancel: clock.after(delay, end), over };
      void follow();
    },
    endRest: () => {
      const ended = resting;
      if (ended === undefined) return;
      ended.cancel();
      resting = undefined;
      void follow();
      ended.over();
    },
  };
};
