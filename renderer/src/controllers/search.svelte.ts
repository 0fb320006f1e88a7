import type { Api } from "../../../app/contract/create-api.ts";
import type { SearchHit } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";

export interface Search {
  readonly query: () => string;
  readonly hits: () => readonly SearchHit[];
  /** `idle`: nothing was typed. Old hits stay while the next ones are looked up. */
  readonly state: () => "idle" | "searching" | "done" | "failed";
  readonly problem: () => Problem | null;
  readonly setQuery: (query: string) => void;
  /** Asks again, for instance after notes changed. */
  readonly refresh: () => void;
  /** Notebook the search is limited to, null for all. */
  readonly notebook: () => string | null;
  readonly setNotebook: (notebook: string | null) => void;
}

/** Short enough to feel immediate; a fast typist's keystrokes are 80 to 120 ms apart. */
const DELAY_MS = 60;

export const createSearch = (api: Api, scope: "everything" | "titles", limit: number): Search => {
  let query = $state("");
  let hits = $state.raw<readonly SearchHit[]>([]);
  let state = $state<"idle" | "searching" | "done" | "failed">("idle");
  let problem = $state.raw<Problem | null>(null);
  let notebook = $state<string | null>(null);
  let asked = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const ask = async () => {
    asked += 1;
    const mine = asked;
    const answer = await api.call(
      "search",
      notebook === null ? { query, scope, limit } : { query, scope, limit, notebook },
    );
    if (mine !== asked) return;
    if (answer.ok) {
      hits = answer.value;
      problem = null;
      state = "done";
    } else {
      problem = problemOf(answer.error);
      state = "failed";
    }
  };
  const askSoon = () => {
    clearTimeout(timer);
    if (query.trim() === "") {
      asked += 1;
      hits = [];
      problem = null;
      state = "idle";
      return;
    }
    state = "searching";
    timer = setTimeout(() => void ask(), DELAY_MS);
  };

  return {
    query: () => query,
    hits: () => hits,
    state: () => state,
    problem: () => problem,
    setQuery: (next) => {
      query = next;
      askSoon();
    },
    refresh: () => {
      if (query.trim() !== "") void ask();
    },
    notebook: () => notebook,
    setNotebook: (next) => {
      notebook = next;
      askSoon();
    },
  };
};
