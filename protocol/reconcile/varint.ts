/** Appends `value` in [0, 2^53) in base 128, most significant group first, as negentropy writes it. */
export const appendVarint = (out: number[], value: number): void => {
  const groups: number[] = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 128);
  for (let i = groups.length - 1; i >= 0; i--) out.push(groups[i] as number);
};
