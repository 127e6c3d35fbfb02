import pkgutil

import regimecast.labels


def test_no_module_takes_the_name_of_a_function():
    # Importing a module binds its name on the package, over a function of that name.
    modules = {module.name for module in pkgutil.iter_modules(regimecast.labels.__path__)}
    assert not modules & set(regimecast.labels.__all__)
