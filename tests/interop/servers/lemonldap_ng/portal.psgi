# The portal of LemonLDAP::NG. LLNG_DEFAULTCONFFILE names its configuration.
use Lemonldap::NG::Portal::Main;

Lemonldap::NG::Portal::Main->run( {} );
