import type { Problem } from "../errors.ts";

interface ToastContent {
  readonly tone: "neutral" | "success" | "danger";
  readonly heading: string;
  readonly message: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

interface Toast extends ToastContent {
  readonly id: number;
}

export interface Toasts {
  readonly list: () => readonly Toast[];
  /** Answers the toast's id, for `dismiss` when what it says is no longer so. */
  readonly show: (content: ToastContent) => number;
  readonly fail: (problem: Problem) => void;
  readonly dismiss: (id: number) => void;
  /** Stops the clock of a toast while somebody reads it. */
  readonly hold: (id: number) => void;
  readonly release: (id: number) => void;
}

/** Long enough to read two lines; twice that when there is something to decide or a failure to understand. */
const STAY_MS = 5_000;
const STAY_LONG_MS = 10_000;
/** More would cover the note. */
const MAX_SHOWN = 4;

export const createToasts = (): Toasts => {
  let shown = $state.raw<readonly Toast[]>([]);
  let nextId = 1;
  const timerById = new Map<number, ReturnType<typeof setTimeout>>();

  const hold = (id: number) => {
    clearTimeout(timerById.get(id));
    timerById.delete(id);
  };
  const dismiss = (id: number) => {
    hold(id);
    shown = shown.filter((toast) => toast.id !== id);
  };
  const release = (id: number) => {
    const toast = shown.find((candidate) => candidate.id === id);
    if (toast === undefined) return;
    hold(id);
    const stay = toast.tone === "danger" || toast.action !== undefined ? STAY_LONG_MS : STAY_MS;
    timerById.set(
      id,
      setTimeout(() => dismiss(id), stay),
    );
  };
  const show = (content: ToastContent): number => {
    const repeated = shown.find((toast) => toast.heading === content.heading && toast.message === content.message);
    if (repeated !== undefined) dismiss(repeated.id);
    const toast = { ...content, id: nextId };
    nextId += 1;
    for (const old of shown.slice(0, Math.max(0, shown.length + 1 - MAX_SHOWN))) dismiss(old.id);
    shown = [...shown, toast];
    release(toast.id);
    return toast.id;
  };

  return {
    list: () => shown,
    show,
    fail: (problem) => {
      show({ tone: "danger", heading: problem.heading, message: problem.message });
    },
    dismiss,
    hold,
    release,
  };
};
