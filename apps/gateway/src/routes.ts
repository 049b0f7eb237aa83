/** One registered route: what Fastify knows about it. */
interface KnownRoute {
  readonly method: string;
  readonly pattern: string;
  readonly regex: RegExp;
  /** How many parts of the pattern take anything. */
  readonly parameters: number;
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const regexOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : escape(part)))
      .join('/')}/?$`,
  );

/** The routes of this process, as they are registered: answers which methods a path takes, so that 405 differs from 404. */
export class RouteBook {
  private readonly routes: KnownRoute[] = [];

  add(method: string, pattern: string): void {
    const parameters = pattern.split('/').filter((part) => part.startsWith(':')).length;
    this.routes.push({ method, pattern, regex: regexOf(pattern), parameters });
  }

  /** `GET /api/workflows/:id` for every route, in order of registration. */
  all(): readonly string[] {
    return this.routes.map((route) => `${route.method} ${route.pattern}`);
  }

  /** Methods of the pattern that this URL's path fits best: `/execute` is itself before it is an `/:id`. */
  methodsOf(url: string): readonly string[] {
    const path = url.split('?', 1)[0] ?? url;
    const fitting = this.routes.filter((route) => route.regex.test(path));
    const fewest = Math.min(...fitting.map(({ parameters }) => parameters));
    return [...new Set(fitting.filter(({ parameters }) => parameters === fewest).map(({ method }) => method))].sort();
  }
}
