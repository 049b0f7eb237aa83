import { ValidationPipe, type ArgumentMetadata, type PipeTransform, type ValidationError } from '@nestjs/common';
import { useContainer } from 'class-validator';
import { acceptorOf, type BodyAcceptor } from './body-acceptor.js';
import type { Dto } from './dto-rules.js';
import { Problem, type ProblemDetail } from './problem.js';

/** Faults that one answer names; the rest follow when these are mended. */
export const FAULTS_NAMED_MAX = 50;

const escapePointer = (name: string): string => String(name).replaceAll('~', '~0').replaceAll('/', '~1');

/** A value of another type than this has no length and no pattern to speak of, so nothing else is said of it. */
const TYPE_CONSTRAINTS: ReadonlySet<string> = new Set([
  'whitelistValidation',
  'isString',
  'isInt',
  'isBoolean',
  'isArray',
  'isObject',
  'nestedValidation',
]);

/** The type first and alone, when that is wrong; else in the order of the rules (class-validator collects them from the last). */
function faultsOf(constraints: Readonly<Record<string, string>>): readonly string[] {
  const wrongType = Object.keys(constraints).find((name) => TYPE_CONSTRAINTS.has(name));
  const fault = wrongType === undefined ? undefined : constraints[wrongType];
  return fault === undefined ? Object.values(constraints).reverse() : [fault];
}

/** Where a fault is: a JSON pointer into the body, or the name of a parameter of the query or the path. */
type Locate = (path: readonly string[]) => Omit<ProblemDetail, 'detail'>;

export const inBody: Locate = (path) => ({ pointer: path.map((name) => `/${escapePointer(name)}`).join('') });
export const inParameters: Locate = (path) => ({ parameter: path.join('.') });

/** Flattens what class-validator found, in its order. */
export function detailsOf(errors: readonly ValidationError[], locate: Locate = inBody): readonly ProblemDetail[] {
  const details: ProblemDetail[] = [];
  const open = errors.map((error) => ({ error, at: [] as readonly string[] })).reverse();
  for (let next = open.pop(); next !== undefined && details.length < FAULTS_NAMED_MAX; next = open.pop()) {
    const path = [...next.at, String(next.error.property)];
    for (const detail of faultsOf(next.error.constraints ?? {})) details.push({ ...locate(path), detail });
    for (const child of [...(next.error.children ?? [])].reverse()) open.push({ error: child, at: path });
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

const pipeFor = (locate: Locate): ValidationPipe =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => {
      const details = detailsOf(errors, locate);
      const [first] = details;
      const detail = first === undefined ? 'The request is not valid.' : `${first.pointer ?? first.parameter ?? ''}: ${first.detail}`;
      return new Problem('invalid-request', detail, { errors: details });
    },
  });

const parametersPipe = pipeFor(inParameters);
const bodyPipe = pipeFor(inBody);

/** Bodies are judged by the compiled form of their rules first, which each gets when it is first needed. */
class BodyValidation {
  private readonly acceptors = new Map<Dto, BodyAcceptor>();

  /** @returns the body as it was sent, which its rules allow. @throws Problem */
  async transform(body: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { metatype } = metadata;
    if (metatype !== undefined && this.acceptorOf(metatype as Dto)(body)) return body;
    const judged: unknown = await bodyPipe.transform(body, metadata);
    return typeof body === 'object' && body !== null ? body : judged;
  }

  private acceptorOf(dto: Dto): BodyAcceptor {
    const known = this.acceptors.get(dto) ?? acceptorOf(dto);
    this.acceptors.set(dto, known);
    return known;
  }
}

/** Every body, query and path goes through this: unknown fields are refused, nothing is converted silently. */
export function edgeValidation(): PipeTransform {
  const bodies = new BodyValidation();
  return {
    transform: (value: unknown, metadata: ArgumentMetadata): unknown =>
      metadata.type === 'body' ? bodies.transform(value, metadata) : parametersPipe.transform(value, metadata),
  };
}
