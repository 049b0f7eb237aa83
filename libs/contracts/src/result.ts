/** The outcome of something that may say no: a value, never an exception. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error });

/** A broken invariant: corrupt data or a bug. Never caught to carry on; the process edge stops the stream. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** @throws InvariantViolation when the condition does not hold */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Ends every switch over a union; a new member without a case does not compile. */
export function assertNever(value: never): never {
  throw new InvariantViolation(`unexpected value: ${JSON.stringify(value)}`);
}
