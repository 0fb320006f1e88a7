/** Bytes that one repository takes in the profile's database. */
export interface StorageSizes {
  /** Present states of its documents, kept to open them fast. */
  readonly snapshots: number;
  /** Every change ever made, from which any state can be computed. */
  readonly history: number;
  /** Signed and encrypted items as they travel between devices. */
  readonly items: number;
}

/**
 * Measures what is stored.
 * P-METER-1 Answers never hold up the process that asks; `undefined` when it cannot be found out.
 */
export interface StorageMeter {
  readonly measure: (repository: number) => Promise<StorageSizes | undefined>;
}
