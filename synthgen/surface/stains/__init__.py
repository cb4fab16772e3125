"""Water stains: a solid texture (`field`), evaluated at points (`points`) or over a plane (`planes`)."""
