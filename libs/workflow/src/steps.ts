import type { PlannedStep, StepId } from '@taskmaster/contracts';
import { isOpen, isSettled, isSettledAsPolicyAllows, isStageStep, isUnforgiven, newStep, type Step } from './step.js';

/**
 * The steps of a workflow, with what is asked about them at every step kept at hand, so that neither folding nor deciding costs more in a
 * long workflow than in a short one. Plain JSON. Never changed, only replaced; what did not change is shared.
 */
export interface Steps {
  /** Where each step is, counted in the order in which they came: stages' own as they are readied, the plan's in topological order. */
  readonly places: Readonly<Record<StepId, number>>;
  readonly chunks: readonly (readonly Step[])[];
  readonly dependants: Readonly<Record<StepId, readonly StepId[]>>;
  /** Places, ascending: ready, running or waiting for a retry. */
  readonly open: readonly number[];
  /** Places, ascending: the plan's pending steps whose dependencies are settled as their policies allow. */
  readonly startable: readonly number[];
  /** How many of the plan's steps are settled. */
  readonly settled: number;
  /** How many of the plan's steps are ready or running. */
  readonly active: number;
  /** How many of the plan's steps failed where their policy does not forgive it. */
  readonly unforgiven: number;
}

/** A change copies one chunk. */
const CHUNK = 64;

export const NO_STEPS: Steps = { places: {}, chunks: [], dependants: {}, open: [], startable: [], settled: 0, active: 0, unforgiven: 0 };

/** Ids are a person's words: `constructor` is one as good as any. */
const own = <T>(record: Readonly<Record<StepId, T>>, id: StepId): T | undefined => (Object.hasOwn(record, id) ? record[id] : undefined);

const at = (steps: Steps, place: number): Step | undefined => steps.chunks[Math.floor(place / CHUNK)]?.[place % CHUNK];

const present = (step: Step | undefined): step is Step => step !== undefined;

export const stepsCount = ({ chunks }: Steps): number => Math.max(0, chunks.length - 1) * CHUNK + (chunks.at(-1)?.length ?? 0);

export function stepOf(steps: Steps, id: StepId): Step | undefined {
  const place = own(steps.places, id);
  return place === undefined ? undefined : at(steps, place);
}

export const allSteps = ({ chunks }: Steps): readonly Step[] => chunks.flat();
export const openSteps = (steps: Steps): readonly Step[] => steps.open.map((place) => at(steps, place)).filter(present);

/** The first of the plan's steps that may start now, in plan order. */
export const startableSteps = (steps: Steps, max: number): readonly Step[] =>
  steps.startable
    .slice(0, Math.max(0, max))
    .map((place) => at(steps, place))
    .filter(present);

/** The steps that differ between two states; only what is not shared is looked at. */
export function changedSteps(before: Steps, after: Steps): readonly { readonly was: Step | undefined; readonly is: Step }[] {
  return after.chunks.flatMap((chunk, i) => {
    const old = before.chunks[i];
    if (old === chunk) return [];
    return chunk.flatMap((is, j) => (old?.[j] === is ? [] : [{ was: old?.[j], is }]));
  });
}

/** Adds the plan's steps, all at once. Their ids are new. */
export function withPlanned(steps: Steps, specs: readonly PlannedStep[]): Steps {
  const first = stepsCount(steps);
  const all = [...steps.chunks.flat(), ...specs.map(newStep)];
  const places: Record<StepId, number> = { ...steps.places };
  const dependants: Record<StepId, StepId[]> = {};
  for (const id of Object.keys(steps.dependants) as StepId[]) dependants[id] = [...(own(steps.dependants, id) ?? [])];
  specs.forEach(({ id, dependsOn }, i) => {
    places[id] = first + i;
    for (const on of dependsOn) {
      const known = own(dependants, on);
      if (known === undefined) dependants[on] = [id];
      else known.push(id);
    }
  });
  const chunks = Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, i) => all.slice(i * CHUNK, (i + 1) * CHUNK));
  const added: Steps = { ...steps, places, dependants, chunks };
  const startable = specs.map((_, i) => first + i).filter((place) => isStartable(added, at(added, place)));
  return { ...added, startable: [...steps.startable, ...startable] };
}

/** The same steps with one of them changed, or a stage's own step added. */
export function withStep(steps: Steps, step: Step): Steps {
  const { id } = step.spec;
  const known = own(steps.places, id);
  const place = known ?? stepsCount(steps);
  const was = known === undefined ? undefined : at(steps, place);
  const changed: Steps = {
    ...steps,
    places: known === undefined ? { ...steps.places, [id]: place } : steps.places,
    chunks: withItem(steps.chunks, place, step),
    open: withPlace(steps.open, place, isOpen(step)),
    ...(isStageStep(id) ? {} : countsAfter(steps, was, step)),
  };
  return { ...changed, startable: startableAfter(changed, place, { was, is: step }) };
}

function withItem(chunks: Steps['chunks'], place: number, step: Step): Steps['chunks'] {
  const index = Math.floor(place / CHUNK);
  const chunk = [...(chunks[index] ?? [])];
  chunk[place % CHUNK] = step;
  const copy = [...chunks];
  copy[index] = chunk;
  return copy;
}

const isActive = ({ situation }: Step): boolean => situation.status === 'ready' || situation.status === 'running';

function countsAfter(steps: Steps, was: Step | undefined, is: Step): Pick<Steps, 'settled' | 'active' | 'unforgiven'> {
  const moved = (holds: (step: Step) => boolean): number => Number(holds(is)) - Number(was !== undefined && holds(was));
  return {
    settled: steps.settled + moved(isSettled),
    active: steps.active + moved(isActive),
    unforgiven: steps.unforgiven + moved(isUnforgiven),
  };
}

interface StepChange {
  readonly was: Step | undefined;
  readonly is: Step;
}

/** A change moves the step itself, and those that wait for it when it lets them go or no longer does. */
function startableAfter(steps: Steps, place: number, { was, is }: StepChange): readonly number[] {
  let startable = withPlace(steps.startable, place, isStartable(steps, is));
  if ((was !== undefined && isSettledAsPolicyAllows(was)) === isSettledAsPolicyAllows(is)) return startable;
  for (const id of own(steps.dependants, is.spec.id) ?? []) {
    const dependant = own(steps.places, id);
    if (dependant !== undefined) startable = withPlace(startable, dependant, isStartable(steps, at(steps, dependant)));
  }
  return startable;
}

function isStartable(steps: Steps, step: Step | undefined): boolean {
  if (step?.situation.status !== 'pending' || isStageStep(step.spec.id)) return false;
  return step.spec.dependsOn.every((id) => {
    const dependency = stepOf(steps, id);
    return dependency !== undefined && isSettledAsPolicyAllows(dependency);
  });
}

/** Ascending places with one of them in or out; the same array when nothing changes. */
function withPlace(places: readonly number[], place: number, isIn: boolean): readonly number[] {
  const index = firstNotBelow(places, place);
  const wasIn = places[index] === place;
  if (wasIn === isIn) return places;
  return isIn ? places.toSpliced(index, 0, place) : places.toSpliced(index, 1);
}

function firstNotBelow(places: readonly number[], place: number): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle] ?? 0) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
