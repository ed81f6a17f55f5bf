"""No circle among modules, on a floor of the core or in a plugin, nor among the folders of a plugin."""

import pytest

from house import HOUSE, PLUGINS, imports, module_of, tree_of


def below(package):
    """The modules of a package with those of its own that each imports; the package itself and `testing` may look anywhere"""
    arrows = {}
    for path in HOUSE:
        if (module := module_of(path)).startswith(f"{package}.") and module != f"{package}.testing":
            arrows[module] = {other for other, _ in imports(tree_of(path)) if other.startswith(f"{package}.")}
    known = set(arrows)
    return {m: {o if o in known else o.rpartition(".")[0] for o in others} & known for m, others in arrows.items()}


def circles(arrows):
    """What is left when whatever looks at nothing that is left has gone, again and again"""
    left = dict(arrows)
    while free := [m for m, others in left.items() if not (others & left.keys()) - {m}]:
        for module in free:
            del left[module]
    return left


@pytest.mark.parametrize("package", ["lima", *(p.name.replace("-", "_") for p in PLUGINS)])
def test_modules_have_no_circle(package):
    """On a floor, too, and in plugins"""
    assert circles(below(package)) == {}


@pytest.mark.parametrize("package", [p.name.replace("-", "_") for p in PLUGINS])
def test_the_folders_of_a_plugin_have_no_circle(package):
    """A folder is a floor: what one of its modules imports may not import the folder back"""
    folders = {}
    for module, others in below(package).items():
        folders.setdefault(folder_of(module), set()).update(folder_of(o) for o in others)
    assert circles(folders) == {}


def folder_of(module):
    """The folder of a plugin that a module lies in, or the module itself beside the folders"""
    return ".".join(module.split(".")[:2])
