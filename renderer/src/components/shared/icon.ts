import type { Component } from "svelte";

/** One icon of the Lucide set, or anything drawn like it. */
export type Icon = Component<{ size?: number | string; strokeWidth?: number | string }>;
