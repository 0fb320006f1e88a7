import type Dialogs from "./Dialogs.svelte";

let loading: Promise<typeof Dialogs> | undefined;

/** Loads everything that opens over the workspace, once. */
export const loadDialogs = (): Promise<typeof Dialogs> => {
  loading ??= import("./Dialogs.svelte").then((module) => module.default);
  return loading;
};
