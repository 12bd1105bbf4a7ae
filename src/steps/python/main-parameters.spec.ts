import { hidesMain, mainParameters } from './main-parameters.js';

describe(mainParameters.name, () => {
  it.each<[string, string, string[]]>([
    ['none', 'def main():\n  pass', []],
    ['no main', 'result = 1', []],
    ['plain', 'def main(a, b):\n  pass', ['a', 'b']],
    ['async', 'import os\nasync def main(a):\n  pass', ['a']],
    [
      'defaults and annotations',
      'def main(a: dict[str, int] = {"x": (1, 2)}, b: "t, u" = ")", *, c=lambda q: 1) -> int:\n  pass',
      ['a', 'b', 'c'],
    ],
    ['stars', 'def main(a, /, *args, **kwargs):\n  pass', ['a']],
    ['several lines, comments, trailing comma', 'def main(\n    a,  # first, (of all\n    b=1,\n):\n  pass', ['a', 'b']],
    ['a main of a class is not it', 'class C:\n  def main(self, x): pass\ndef main(y): pass', ['y']],
    ['the last definition counts', 'def main(a): pass\ndef main(b): pass', ['b']],
    ['text that looks like it', '"""\ndef main(x): pass\n"""\nresult = 1', []],
    ['unclosed', 'def main(a, b', []],
  ])('%s', (_name, code, expected) => expect(mainParameters(code)).toEqual(expected));
});

describe(hidesMain.name, () => {
  it.each<[string, string, boolean]>([
    ['a plain function', 'def main(a): pass', false],
    ['a function below a condition', 'if True:\n  def main(a): pass', true],
    ['an assignment', 'main = lambda a: a', true],
    ['an import', 'from jobs import run as main', true],
    ['an import of the name', 'from jobs import main\n', true],
    ['a comparison', 'if main == 1: pass', false],
    ['only words of a comment and a text', '# the main part\ntext = "main"\nresult = 1', false],
    ['a guard of scripts', 'if __name__ == "__main__":\n  result = 1', false],
    ['a plain function that is wrapped', 'def main(a): pass\nmain = traced(main)', false],
  ])('%s', (_name, code, expected) => expect(hidesMain(code)).toBe(expected));
});
