import { invariant } from "../kernel/assert.ts";
import type { ScalarValue } from "../automerge-format/change.ts";
import { isTyped, type Scalar, SCALAR_TYPE } from "./types.ts";

/** A stored value as readers see it; a counter includes its increments. */
export const scalarOf = (value: ScalarValue, increments: number): Scalar => {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (value.type === "int" || value.type === "float" || value.type === "uint") return value.value;
  if (value.type === "counter") return { [SCALAR_TYPE]: "counter", value: value.value + increments };
  return { [SCALAR_TYPE]: "timestamp", value: value.value };
};

/** A writer's value as it is stored. */
export const valueOf = (scalar: Scalar): ScalarValue => {
  if (typeof scalar === "number") return { type: Number.isSafeInteger(scalar) ? "int" : "float", value: scalar };
  if (typeof scalar === "string") return scalar.toWellFormed();
  if (isTyped(scalar)) {
    const isFloat = scalar[SCALAR_TYPE] === "float";
    invariant(isFloat || Number.isSafeInteger(scalar.value), `${scalar[SCALAR_TYPE]} of a safe integer`);
    return { type: scalar[SCALAR_TYPE], value: scalar.value };
  }
  return scalar;
};

export const sameValue = (a: ScalarValue, b: ScalarValue): boolean => {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return (
      a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i])
    );
  }
  return a.type === b.type && a.value === b.value;
};
