import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { useContainer } from 'class-validator';
import { Problem, type ProblemDetail } from './problem.js';

/** Faults that one answer names; the rest follow when these are mended. */
export const FAULTS_NAMED_MAX = 50;

const escapePointer = (name: string): string => String(name).replaceAll('~', '~0').replaceAll('/', '~1');

/** Flattens what class-validator found into JSON pointers, in its order. */
export function detailsOf(errors: readonly ValidationError[]): readonly ProblemDetail[] {
  const details: ProblemDetail[] = [];
  const open = errors.map((error) => ({ error, at: '' })).reverse();
  for (let next = open.pop(); next !== undefined && details.length < FAULTS_NAMED_MAX; next = open.pop()) {
    const pointer = `${next.at}/${escapePointer(next.error.property)}`;
    for (const detail of Object.values(next.error.constraints ?? {})) details.push({ pointer, detail });
    for (const child of [...(next.error.children ?? [])].reverse()) open.push({ error: child, at: pointer });
  }
  return details;
}

type Constructor = new () => object;

/** Where the validator finds its rules. Its own container searches a list of all of them for every rule it applies, which was half of a gateway's work. */
class ValidatorContainer {
  private readonly instances = new Map<Constructor, object>();

  get(wanted: Constructor): object {
    let instance = this.instances.get(wanted);
    if (instance === undefined) {
      instance = new wanted();
      this.instances.set(wanted, instance);
    }
    return instance;
  }
}
useContainer(new ValidatorContainer());

/** Every body, query and path goes through this: unknown fields are refused, nothing is converted silently. */
export const edgeValidation = (): ValidationPipe =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => {
      const details = detailsOf(errors);
      return new Problem(
        'invalid-request',
        details[0] === undefined ? 'The request is not valid.' : `${details[0].pointer ?? ''}: ${details[0].detail}`,
        { errors: details },
      );
    },
  });
