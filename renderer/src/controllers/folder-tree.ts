/** One folder of a notebook; folders exist because notes are in them. */
export interface Folder {
  /** Slash-separated path from the top of the notebook. */
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  /** Notes in it and below it. */
  readonly count: number;
  readonly hasChildren: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

interface Branch {
  count: number;
  readonly childByName: Map<string, Branch>;
}
const createBranch = (): Branch => ({ count: 0, childByName: new Map() });

/** The tree of folders that hold `count` notes directly, parents before children, siblings by name. */
export const foldersOf = (
  counts: readonly { readonly folder: string; readonly count: number }[],
): readonly Folder[] => {
  const root = createBranch();
  for (const { folder, count } of counts) {
    let branch = root;
    for (const name of folder.split("/")) {
      if (name === "") continue;
      const child = branch.childByName.get(name) ?? createBranch();
      branch.childByName.set(name, child);
      child.count += count;
      branch = child;
    }
  }
  const out: Folder[] = [];
  const walk = (branch: Branch, parent: string, depth: number) => {
    const children = [...branch.childByName].sort(([a], [b]) => collator.compare(a, b));
    for (const [name, child] of children) {
      const path = parent === "" ? name : `${parent}/${name}`;
      out.push({ path, name, depth, count: child.count, hasChildren: child.childByName.size > 0 });
      walk(child, path, depth + 1);
    }
  };
  walk(root, "", 0);
  return out;
};

/** Whether a note of `folder` shows when `selected` is chosen; everything shows at the top. */
export const isInFolder = (folder: string, selected: string): boolean =>
  selected === "" || folder === selected || folder.startsWith(`${selected}/`);

/** Tidies what a person typed: no empty parts, no spaces around them. */
export const normaliseFolder = (typed: string): string =>
  typed
    .split("/")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join("/");
