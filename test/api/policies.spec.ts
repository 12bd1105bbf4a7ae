import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { POLICY } from '../../src/common/policy.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

it('every handler of the whole service says what a caller must be allowed to do', () => {
  const handlers = [...service.app.get(ModulesContainer).values()].flatMap(({ controllers }) =>
    [...controllers.values()].flatMap(({ metatype, instance }) => {
      const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
      return new MetadataScanner()
        .getAllMethodNames(prototype)
        .filter((name) => Reflect.hasMetadata('path', prototype[name]!))
        .map((name) => ({ name: `${metatype?.name}.${name}`, policy: Reflect.getMetadata(POLICY, prototype[name]!) as unknown }));
    }),
  );
  expect(handlers.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['ExecuteController.execute', 'RunController.run', 'StatusController.list', 'CatalogController.register']),
  );
  expect(handlers.length).toBeGreaterThan(30);
  expect(handlers.filter(({ policy }) => policy === undefined)).toEqual([]);
});
