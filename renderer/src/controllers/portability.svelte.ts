import type { Api } from "../../../app/contract/create-api.ts";
import type { ExportReport, ImportReport } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";

/** An import into one notebook; it goes on when its dialog is closed. */
export type ImportJob =
  | {
      readonly state: "running" | "cancelling";
      readonly path: string;
      readonly done: number;
      readonly total: number;
      readonly current: string;
    }
  | { readonly state: "finished"; readonly path: string; readonly report: ImportReport }
  | { readonly state: "failed"; readonly path: string; readonly problem: Problem };

export interface Portability {
  readonly job: (notebook: string) => ImportJob | null;
  readonly running: () => readonly string[];
  readonly pickFolder: () => Promise<string | null>;
  readonly startImport: (notebook: string, path: string) => Promise<void>;
  readonly cancelImport: (notebook: string) => Promise<void>;
  /** Forgets a finished job. */
  readonly clear: (notebook: string) => void;
  readonly exportTo: (notebook: string, path: string) => Promise<ExportReport | Problem>;
}

/** Longer than the largest file takes. */
const FOREIGN_SILENCE_MS = 20_000;

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly onProblem: (problem: Problem) => void;
  readonly onFinished: (notebook: string, job: ImportJob) => void;
}

export const createPortability = ({ api, hub, onProblem, onFinished }: Context): Portability => {
  let jobs = $state.raw<Readonly<Record<string, ImportJob>>>({});

  const setJob = (notebook: string, job: ImportJob) => {
    jobs = { ...jobs, [notebook]: job };
  };
  const clear = (notebook: string) => {
    const { [notebook]: _cleared, ...rest } = jobs;
    jobs = rest;
  };

  /** An import that was started elsewhere, as from the command line: its end is not told, only its progress. */
  const foreign = new Map<string, ReturnType<typeof setTimeout>>();
  const follow = (notebook: string, isLast: boolean) => {
    clearTimeout(foreign.get(notebook));
    const forget = () => {
      foreign.delete(notebook);
      clear(notebook);
    };
    foreign.set(notebook, setTimeout(forget, isLast ? 0 : FOREIGN_SILENCE_MS));
  };
  hub.on("importProgress", ({ notebook, done, total, current }) => {
    const job = jobs[notebook];
    if (job?.state === "running" || job?.state === "cancelling") setJob(notebook, { ...job, done, total, current });
    else if (done < total) {
      setJob(notebook, { state: "running", path: "", done, total, current });
      follow(notebook, false);
    }
    if (foreign.has(notebook)) follow(notebook, done >= total);
  });

  return {
    job: (notebook) => jobs[notebook] ?? null,
    running: () => Object.keys(jobs).filter((notebook) => jobs[notebook]?.state === "running"),
    pickFolder: async () => {
      const picked = await api.call("shell.pickFolder");
      if (picked.ok) return picked.value;
      onProblem(problemOf(picked.error));
      return null;
    },
    startImport: async (notebook, path) => {
      clearTimeout(foreign.get(notebook));
      foreign.delete(notebook);
      setJob(notebook, { state: "running", path, done: 0, total: 0, current: "" });
      const finished = await api.call("import.markdown", { notebook, path });
      const job: ImportJob = finished.ok
        ? { state: "finished", path, report: finished.value }
        : { state: "failed", path, problem: problemOf(finished.error) };
      setJob(notebook, job);
      onFinished(notebook, job);
    },
    cancelImport: async (notebook) => {
      const job = jobs[notebook];
      if (job?.state === "running") setJob(notebook, { ...job, state: "cancelling" });
      const cancelled = await api.call("import.cancel", { notebook });
      if (!cancelled.ok) onProblem(problemOf(cancelled.error));
    },
    clear,
    exportTo: async (notebook, path) => {
      const exported = await api.call("export.markdown", { notebook, path });
      return exported.ok ? exported.value : problemOf(exported.error);
    },
  };
};
