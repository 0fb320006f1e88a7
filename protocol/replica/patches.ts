import type { MarkSet, ObjectId, Patch } from "./types.ts";

/** Collects patches in order and joins text patches that continue each other. */
export interface PatchLog {
  readonly insertText: (object: ObjectId, index: number, text: string, marks: MarkSet) => void;
  readonly removeText: (object: ObjectId, index: number, width: number) => void;
  readonly push: (patch: Patch) => void;
  readonly take: () => readonly Patch[];
}

export const NO_MARKS: MarkSet = Object.freeze({});

export const createPatchLog = (): PatchLog => {
  let patches: Patch[] = [];
  const lastText = (object: ObjectId): Extract<Patch, { type: "text" }> | undefined => {
    const last = patches.at(-1);
    return last !== undefined && last.type === "text" && last.object === object ? last : undefined;
  };
  return {
    insertText: (object, index, text, marks) => {
      const last = lastText(object);
      if (
        last !== undefined &&
        last.removed === 0 &&
        last.marks === marks &&
        index === last.index + last.inserted.length
      ) {
        patches[patches.length - 1] = { ...last, inserted: last.inserted + text };
      } else patches.push({ type: "text", object, index, removed: 0, inserted: text, marks });
    },
    removeText: (object, index, width) => {
      const last = lastText(object);
      if (last !== undefined && last.removed > 0 && index <= last.index && index + width >= last.index) {
        patches[patches.length - 1] = { ...last, index, removed: last.removed + width };
      } else patches.push({ type: "text", object, index, removed: width, inserted: "", marks: NO_MARKS });
    },
    push: (patch) => {
      patches.push(patch);
    },
    take: () => {
      const taken = patches;
      patches = [];
      return taken;
    },
  };
};
