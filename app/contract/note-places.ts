/** Where a note went on after it was moved out of its notebook. */
export interface MovedNote {
  readonly document: string;
  readonly notebook: string;
  /** Whether this device has it there. */
  readonly here: boolean;
  /** Who moved it. */
  readonly by: string;
  readonly self: boolean;
}

/** What this identity wrote in a note and no longer counts there. */
export interface RecoveredCopy {
  readonly document: string;
  readonly notebook: string;
  readonly notebookTitle: string;
  readonly title: string;
  /** When it was taken out, or the membership ended. Unix milliseconds. */
  readonly at: number;
  /**
   * `demoted`, `removed`: written after the right to write was taken away, unknown to whoever did; `revoked`: on a device that was
   * revoked; `forked`: a session was written twice; `rolledBack`: the data folder was put back to an older state.
   */
  readonly reason: "demoted" | "removed" | "revoked" | "forked" | "rolledBack";
  /** Changes taken out; none where the copy on this device still has them and nobody else does. */
  readonly changes: number;
}

/** A note in which changes of others met own ones that were made apart, and that nobody has looked at since. */
export interface MergedNote {
  readonly document: string;
  readonly notebook: string;
  readonly notebookTitle: string;
  readonly title: string;
  readonly changes: number;
  readonly people: readonly string[];
}

/** A notebook as it was, in a new one that knows nothing of its past. */
export interface NotebookCopied {
  readonly notebook: string;
  readonly notes: number;
  /** Files that are neither here nor at anybody connected; their places in the notes stay empty. */
  readonly missing: number;
}

/** What happened while nobody looked and waits until somebody does. */
export interface Notices {
  readonly recovered: readonly RecoveredCopy[];
  readonly merged: readonly MergedNote[];
}

export interface RecoveredText extends RecoveredCopy {
  readonly text: string;
  readonly markdown: string;
}
