import { invariant } from "../kernel/assert.ts";
import type { ElementDetail } from "./objects.ts";

/**
 * A run of elements with consecutive ids of one actor that stand next to each other: visible text, deleted elements, or
 * one single element that is more than a plain character (`detail`).
 */
export interface Item {
  readonly actor: number;
  readonly counter: number;
  /** Elements. */
  length: number;
  /** Visible width: UTF-16 code units in a text, elements in a list; 0 when deleted. */
  width: number;
  /** Visible plain text; empty when deleted or detailed. */
  text: string;
  detail: ElementDetail | undefined;
  leaf: Leaf;
}

export interface Leaf {
  readonly items: Item[];
  parent: Branch | undefined;
  width: number;
  /** Items with a detail and no width: marks, above all. */
  anchors: number;
  readonly sequence: Sequence;
}

interface Branch {
  readonly children: TreeNode[];
  parent: Branch | undefined;
  width: number;
  anchors: number;
}
type TreeNode = Leaf | Branch;

/** B+tree of items in document order, with widths summed per subtree. */
export interface Sequence {
  root: TreeNode;
  /** Grows whenever an anchor comes or goes, so that what was computed from anchors can be kept until then. */
  anchorVersion: number;
  readonly register: (item: Item) => void;
  readonly unregister: (item: Item) => void;
}

/** Children per node: 16 to 32 keeps a keystroke's array moves within two cache lines and 25 000 items four levels deep. */
const CAPACITY = 32;

/** Elements per run: bounds the scan for code points beyond the Basic Multilingual Plane and the cost of a split. */
export const MAX_RUN = 1024;

const isLeaf = (node: TreeNode): node is Leaf => "items" in node;

export const createSequence = (register: (item: Item) => void, unregister: (item: Item) => void): Sequence => {
  const sequence: Sequence = {
    root: undefined as unknown as TreeNode,
    anchorVersion: 0,
    register,
    unregister,
  };
  sequence.root = { items: [], parent: undefined, width: 0, anchors: 0, sequence };
  return sequence;
};

const anchorOf = (item: Item): number => (item.detail !== undefined && item.width === 0 ? 1 : 0);

const addUp = (leaf: Leaf, width: number, anchors: number): void => {
  if (width === 0 && anchors === 0) return;
  if (anchors !== 0) leaf.sequence.anchorVersion++;
  for (let node: TreeNode | undefined = leaf; node !== undefined; node = node.parent) {
    node.width += width;
    node.anchors += anchors;
  }
};

/** Changes what an item shows; the sums follow. */
export const setContent = (item: Item, text: string, width: number, detail: ElementDetail | undefined): void => {
  const width0 = item.width;
  const anchors0 = anchorOf(item);
  item.text = text;
  item.width = width;
  item.detail = detail;
  addUp(item.leaf, width - width0, anchorOf(item) - anchors0);
};

const resum = (node: TreeNode): void => {
  let width = 0;
  let anchors = 0;
  if (isLeaf(node)) {
    for (const item of node.items) {
      width += item.width;
      anchors += anchorOf(item);
    }
  } else {
    for (const child of node.children) {
      width += child.width;
      anchors += child.anchors;
    }
  }
  node.width = width;
  node.anchors = anchors;
};

/** Divides an overfull node in two, and its parent when that overflows. */
const divide = (sequence: Sequence, node: TreeNode): void => {
  let sibling: TreeNode;
  if (isLeaf(node)) {
    if (node.items.length <= CAPACITY) return;
    const items = node.items.splice(node.items.length >> 1);
    const leaf: Leaf = { items, parent: node.parent, width: 0, anchors: 0, sequence };
    for (const item of items) item.leaf = leaf;
    sibling = leaf;
  } else {
    if (node.children.length <= CAPACITY) return;
    const children = node.children.splice(node.children.length >> 1);
    const branch: Branch = { children, parent: node.parent, width: 0, anchors: 0 };
    for (const child of children) child.parent = branch;
    sibling = branch;
  }
  resum(sibling);
  node.width -= sibling.width;
  node.anchors -= sibling.anchors;
  const parent = node.parent;
  if (parent === undefined) {
    const root: Branch = {
      children: [node, sibling],
      parent: undefined,
      width: node.width + sibling.width,
      anchors: node.anchors + sibling.anchors,
    };
    node.parent = root;
    sibling.parent = root;
    sequence.root = root;
    return;
  }
  parent.children.splice(parent.children.indexOf(node) + 1, 0, sibling);
  divide(sequence, parent);
};

const placeAt = (leaf: Leaf, position: number, item: Item): void => {
  item.leaf = leaf;
  leaf.items.splice(position, 0, item);
  addUp(leaf, item.width, anchorOf(item));
  divide(leaf.sequence, leaf);
  leaf.sequence.register(item);
};

const edgeLeaf = (node: TreeNode, last: boolean): Leaf => {
  let at = node;
  while (!isLeaf(at)) at = at.children[last ? at.children.length - 1 : 0] as TreeNode;
  return at;
};

/** New item directly behind `after`, or first of all. */
export const placeAfter = (
  sequence: Sequence,
  after: Item | undefined,
  fields: Pick<Item, "actor" | "counter" | "length" | "width" | "text" | "detail">,
): Item => {
  const leaf = after === undefined ? edgeLeaf(sequence.root, false) : after.leaf;
  const item: Item = {
    actor: fields.actor,
    counter: fields.counter,
    length: fields.length,
    width: fields.width,
    text: fields.text,
    detail: fields.detail,
    leaf,
  };
  placeAt(leaf, after === undefined ? 0 : leaf.items.indexOf(after) + 1, item);
  return item;
};

/** UTF-16 offset at which element `element` of a visible run begins. */
export const unitOffset = (item: Item, element: number): number => {
  if (item.text.length === item.length) return element;
  let units = 0;
  for (let i = 0; i < element; i++) units += (item.text.codePointAt(units) as number) > 0xffff ? 2 : 1;
  return units;
};

/** Element of a visible run that covers UTF-16 offset `units`. */
export const elementAtUnit = (item: Item, units: number): number => {
  if (item.detail !== undefined) return 0;
  if (item.text.length === item.length) return units;
  let element = 0;
  let at = 0;
  for (;;) {
    at += (item.text.codePointAt(at) as number) > 0xffff ? 2 : 1;
    if (at > units) return element;
    element++;
  }
};

/** Splits a run before its element `element` (0 < element < length); answers the new right part. */
export const splitItem = (item: Item, element: number): Item => {
  invariant(element > 0 && element < item.length, "split inside the run");
  const isVisible = item.width > 0;
  const units = isVisible ? unitOffset(item, element) : 0;
  const rightText = item.text.slice(units);
  const rightLength = item.length - element;
  item.length = element;
  setContent(item, item.text.slice(0, units), isVisible ? units : 0, undefined);
  return placeAfter(item.leaf.sequence, item, {
    actor: item.actor,
    counter: item.counter + element,
    length: rightLength,
    width: isVisible ? rightText.length : 0,
    text: rightText,
    detail: undefined,
  });
};

/** Makes elements [from, to) of a run an item of their own. */
export const isolate = (item: Item, from: number, to: number): Item => {
  const right = from > 0 ? splitItem(item, from) : item;
  if (to - from < right.length) splitItem(right, to - from);
  return right;
};

const isTombstone = (item: Item): boolean => item.width === 0 && item.detail === undefined;

/** Joins a deleted run with deleted neighbours whose ids continue it. */
export const mergeTombstones = (item: Item): void => {
  const { leaf } = item;
  const position = leaf.items.indexOf(item);
  const right = leaf.items[position + 1];
  if (right !== undefined && continues(item, right)) absorb(leaf, position, item, right);
  const left = leaf.items[position - 1];
  if (left !== undefined && continues(left, item)) absorb(leaf, position - 1, left, item);
};

const continues = (left: Item, right: Item): boolean =>
  isTombstone(left) && isTombstone(right) && left.actor === right.actor && left.counter + left.length === right.counter;

const absorb = (leaf: Leaf, position: number, left: Item, right: Item): void => {
  leaf.sequence.unregister(right);
  left.length += right.length;
  leaf.items.splice(position + 1, 1);
};

const nodeAfter = (node: TreeNode): TreeNode | undefined => {
  for (let at: TreeNode = node; at.parent !== undefined; at = at.parent) {
    const { children } = at.parent;
    const next = children[children.indexOf(at) + 1];
    if (next !== undefined) return next;
  }
  return undefined;
};

/** Item behind `item`, or the first one. */
export const nextItem = (sequence: Sequence, item: Item | undefined): Item | undefined => {
  if (item === undefined) return edgeLeaf(sequence.root, false).items[0];
  const next = item.leaf.items[item.leaf.items.indexOf(item) + 1];
  if (next !== undefined) return next;
  const node = nodeAfter(item.leaf);
  return node === undefined ? undefined : edgeLeaf(node, false).items[0];
};

const isLive = (node: TreeNode): boolean => node.width > 0 || node.anchors > 0;

/** Next item behind `item` (or first) that is visible or an anchor; subtrees of deleted runs are stepped over. */
export const nextLiveItem = (sequence: Sequence, item: Item | undefined): Item | undefined => {
  let node: TreeNode | undefined;
  if (item === undefined) node = sequence.root;
  else {
    const { items } = item.leaf;
    for (let i = items.indexOf(item) + 1; i < items.length; i++) if (!isTombstone(items[i] as Item)) return items[i];
    node = nodeAfter(item.leaf);
  }
  while (node !== undefined) {
    if (!isLive(node)) node = nodeAfter(node);
    else if (isLeaf(node)) return node.items.find((candidate) => !isTombstone(candidate));
    else node = node.children.find(isLive);
  }
  return undefined;
};

/** Visible width before an item. */
export const widthBefore = (item: Item): number => {
  let width = 0;
  for (const other of item.leaf.items) {
    if (other === item) break;
    width += other.width;
  }
  for (let at: TreeNode = item.leaf; at.parent !== undefined; at = at.parent) {
    for (const other of at.parent.children) {
      if (other === at) break;
      width += other.width;
    }
  }
  return width;
};

/** True when `a` stands before `b` in the same sequence. */
export const isBefore = (a: Item, b: Item): boolean => {
  const pathA = pathOf(a);
  const pathB = pathOf(b);
  for (let i = 0; i < pathA.length; i++) {
    const difference = (pathA[i] as number) - (pathB[i] as number);
    if (difference !== 0) return difference < 0;
  }
  return false;
};

const pathOf = (item: Item): number[] => {
  const path = [item.leaf.items.indexOf(item)];
  for (let at: TreeNode = item.leaf; at.parent !== undefined; at = at.parent) path.push(at.parent.children.indexOf(at));
  return path.reverse();
};

export interface Position {
  readonly item: Item;
  /** Visible width before the item. */
  readonly start: number;
}

/** The visible item that covers visible offset `index`; `undefined` from the end on. */
export const itemAt = (sequence: Sequence, index: number): Position | undefined => {
  if (index < 0 || index >= sequence.root.width) return undefined;
  let node = sequence.root;
  let start = 0;
  while (!isLeaf(node)) {
    let next: TreeNode | undefined;
    for (const child of node.children) {
      if (index < start + child.width) {
        next = child;
        break;
      }
      start += child.width;
    }
    invariant(next !== undefined, "widths sum up");
    node = next;
  }
  for (const item of node.items) {
    if (index < start + item.width) return { item, start };
    start += item.width;
  }
  invariant(false, "widths sum up");
};

/** Visits every item in order. */
export const eachItem = (sequence: Sequence, visit: (item: Item) => void): void => {
  const walk = (node: TreeNode): void => {
    if (isLeaf(node)) for (const item of node.items) visit(item);
    else for (const child of node.children) walk(child);
  };
  walk(sequence.root);
};

/** Visits the anchors before `end` (all when `undefined`) in order. */
export const eachAnchorBefore = (sequence: Sequence, end: Item | undefined, visit: (item: Item) => void): void => {
  const walk = (node: TreeNode): boolean => {
    if (node.anchors === 0 && end === undefined) return true;
    if (isLeaf(node)) {
      for (const item of node.items) {
        if (item === end) return false;
        if (anchorOf(item) === 1) visit(item);
      }
      return true;
    }
    for (const child of node.children) {
      if (child.anchors === 0 && !ancestors.has(child)) continue;
      if (!walk(child)) return false;
    }
    return true;
  };
  const ancestors = new Set<TreeNode>();
  for (let at: TreeNode | undefined = end?.leaf; at !== undefined; at = at.parent) ancestors.add(at);
  walk(sequence.root);
};

/** Builds the tree from items in order, for a sequence that is still empty; does not register them. */
export const fillSequence = (sequence: Sequence, items: readonly Item[]): void => {
  const size = CAPACITY - (CAPACITY >> 2);
  let level: TreeNode[] = [];
  for (let i = 0; i < items.length; i += size) {
    const leaf: Leaf = { items: items.slice(i, i + size), parent: undefined, width: 0, anchors: 0, sequence };
    for (const item of leaf.items) item.leaf = leaf;
    resum(leaf);
    level.push(leaf);
  }
  if (level.length === 0) return;
  while (level.length > 1) {
    const above: TreeNode[] = [];
    for (let i = 0; i < level.length; i += size) {
      const branch: Branch = { children: level.slice(i, i + size), parent: undefined, width: 0, anchors: 0 };
      for (const child of branch.children) child.parent = branch;
      resum(branch);
      above.push(branch);
    }
    level = above;
  }
  sequence.root = level[0] as TreeNode;
};
