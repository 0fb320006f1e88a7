/** Nominal typing: a `Brand<T, "X">` is a `T` that only the module which validates X hands out. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };
